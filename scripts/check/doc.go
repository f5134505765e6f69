// Package check owns the rules of the house that a machine can enforce: who may
// import whom, where each third-party library lives, sizes, documentation that
// runs. It reads the repository as text and runs the one binary; it must not
// know the inside of any program.
package check
