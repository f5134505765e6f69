package sigv4

// Canonical is the form of a request that is signed.
func Canonical(s *Signer, r *Request) string {
	b, _ := s.canonical(r, "20150830T123600Z")
	return string(b)
}
