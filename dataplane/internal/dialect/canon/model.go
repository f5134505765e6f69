package canon

// Model is what a list of models tells of one.
type Model struct {
	ID string
	// OwnedBy is the provider.
	OwnedBy string
	// Created in seconds since 1970.
	Created int64
}
