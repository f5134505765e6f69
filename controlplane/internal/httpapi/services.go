package httpapi

// Services are the noun packages that handlers call.
type Services struct {
}
