package fault

// OpenAI error types.
const (
	typeInvalid     = "invalid_request_error"
	typeAuth        = "authentication_error"
	typePermission  = "permission_error"
	typeNotFound    = "not_found_error"
	typeRateLimit   = "rate_limit_error"
	typeUnavailable = "service_unavailable"
	typeUpstream    = "upstream_error"
	typeServer      = "server_error"
)

// The catalogue. Codes are permanent; texts may improve.
var (
	// What the caller sent.
	BadRequest           = def("bad_request", 400, typeInvalid, "The request is not valid.", "Correct what the message names and send it again.", false)
	MalformedJSON        = def("malformed_json", 400, typeInvalid, "The body is not valid JSON.", "Send one JSON object, UTF-8, with Content-Type: application/json.", false)
	MissingField         = def("missing_field", 400, typeInvalid, "A required field is missing.", "Add the field that param names.", false)
	WrongType            = def("wrong_type", 400, typeInvalid, "A field has the wrong type.", "Send the field that param names with the type in the documentation.", false)
	BodyTooLarge         = def("body_too_large", 413, typeInvalid, "The body is larger than 32 MiB.", "Send less, or upload large content by reference.", false)
	HeadersTooLarge      = def("headers_too_large", 431, typeInvalid, "The headers are larger than 32 KiB.", "Send fewer or shorter headers.", false)
	UnsupportedMedia     = def("unsupported_media_type", 415, typeInvalid, "The content type is not supported here.", "Send Content-Type: application/json.", false)
	MethodNotAllowed     = def("method_not_allowed", 405, typeInvalid, "This address does not take that method.", "Use the method that the documentation names.", false)
	RequestTimeout       = def("request_timeout", 408, typeInvalid, "The request did not arrive in time.", "Send the whole request without pauses.", true)
	CapabilityMismatch   = def("capability_mismatch", 400, typeInvalid, "The model cannot do what the request asks for.", "Leave that out, or call a model that can: the list of models says what each one can do.", false)
	UnsupportedOperation = def("unsupported_operation", 400, typeInvalid, "The provider of this route does not serve this operation.", "Call a route whose provider serves it: the documentation of dialects lists who does.", false)
	UnsupportedField     = def("unsupported_field", 400, typeInvalid, "The provider of this route cannot be told a field of the request.", "Leave the field out, call a route whose provider speaks your dialect, or let the route drop such fields.", false)
	UnknownPath          = def("unknown_path", 404, typeNotFound, "There is nothing at this address.", "Check the base URL: it ends in /v1 or /t/{tenant}/v1. Behind it are chat/completions, responses, messages, completions, embeddings, moderations, rerank, images, audio, files, batches and models; Gemini calls are at /v1beta/models/{model}:generateContent; anything else of a provider at /t/{tenant}/proxy/{provider}/.", false)
	NotFound             = def("not_found", 404, typeNotFound, "There is no such thing.", "Check the id; it may belong to another tenant or be deleted.", false)
	ModelNotFound        = def("model_not_found", 404, typeInvalid, "No route has this name.", "List the names with GET /v1/models, or add a route in the portal.", false)
	ModelNotAllowed      = def("model_not_allowed", 403, typePermission, "This key may not call this model.", "Use another key, or add the model to the key in the portal.", false)
	ParameterForbidden   = def("parameter_forbidden", 403, typePermission, "A rule of the key, its project or the route forbids a parameter of this call.", "Leave out the parameter that the message names, or change the rule in the portal.", false)
	TenantMismatch       = def("tenant_mismatch", 403, typePermission, "This key belongs to another tenant than the address names.", "Use the address of the key's own tenant, or /v1 without a tenant.", false)
	MissingKey           = def("missing_key", 401, typeAuth, "No API key was sent.", "Send Authorization: Bearer and a key from the portal.", false)
	InvalidKey           = def("invalid_key", 401, typeAuth, "This API key is not known.", "Check for a missing character, or make a new key in the portal.", false)
	KeyExpired           = def("key_expired", 401, typeAuth, "This API key has expired.", "Make a new key, or move its expiry, in the portal.", false)
	KeyRevoked           = def("key_revoked", 401, typeAuth, "This API key was revoked.", "Make a new key in the portal.", false)
	TenantSuspended      = def("tenant_suspended", 403, typePermission, "This tenant is suspended.", "Ask the operator to lift the suspension.", false)
	PriceUnknown         = def("price_unknown", 400, typeInvalid, "This model has no price, and calls without a price are blocked.", "Set a price for the model in the portal, or allow calls at zero cost.", false)
	ConfigRefused        = def("config_refused", 422, typeInvalid, "The data planes cannot use this configuration.", "Correct what the message names; the last good version stays live.", false)
	TargetBlocked        = def("target_blocked", 400, typeInvalid, "The provider's address is not allowed.", "Use a public https address, or ask the operator to allow the network.", false)
	CredentialUnusable   = def("credential_unusable", 502, typeUpstream, "The provider's credential cannot be used by this data plane.", "Store the credential again in the portal.", false)

	// What failed at the provider.
	UpstreamUnreachable = def("upstream_unreachable", 502, typeUpstream, "The provider could not be reached.", "Check the base URL of the credential; try again in a moment.", true)
	UpstreamTimeout     = def("upstream_timeout", 504, typeUpstream, "The provider did not answer in time.", "Try again, or raise the timeout of the credential.", true)
	UpstreamReset       = def("upstream_reset", 502, typeUpstream, "The provider closed the connection in the middle of its answer.", "Try again; what arrived before was metered.", true)
	UpstreamGarbage     = def("upstream_invalid_response", 502, typeUpstream, "The provider answered with something that is not a valid answer.", "Check that the base URL points at an OpenAI-compatible API.", true)
	UpstreamTooLarge    = def("upstream_too_large", 502, typeUpstream, "The provider's answer is larger than is allowed.", "Ask for less, or stream the answer.", false)
	UpstreamRejected    = def("upstream_rejected", 502, typeUpstream, "The provider refused the call.", "Read what the provider said in the message of the error that the caller got, and correct the call.", false)
	UpstreamAuth        = def("upstream_authentication", 502, typeUpstream, "The provider did not accept the stored credential.", "Store a valid credential for this provider in the portal.", false)
	UpstreamRateLimited = def("upstream_rate_limited", 429, typeRateLimit, "The provider's rate limit is reached.", "Wait as retry-after says, or raise the limit at the provider.", true)
	UpstreamError       = def("upstream_error", 502, typeUpstream, "The provider failed.", "Try again in a moment.", true)

	// What is wrong on our side.
	Internal          = def("internal_error", 500, typeServer, "Something went wrong inside Tollgate.", "Try again; if it persists, give the operator the request id.", true)
	ConfigUnavailable = def("config_unavailable", 503, typeUnavailable, "This data plane does not have its whole configuration yet.", "Try again in a moment.", true)
	UsageSpoolFull    = def("usage_spool_full", 503, typeUnavailable, "This data plane cannot record usage now, so it takes no billable calls.", "Try again in a moment; the operator is alarmed.", true)
	Overloaded        = def("overloaded", 503, typeUnavailable, "This data plane has as many requests as it can take.", "Try again in a moment.", true)
	ServerDraining    = def("server_draining", 503, typeUnavailable, "This data plane is shutting down.", "Try again: another one will answer.", true)
	DatabaseDown      = def("database_unavailable", 503, typeUnavailable, "The control plane cannot reach its database.", "Try again in a moment. Calls of models are not affected.", true)

	// Control plane and portal.
	ValidationFailed    = def("validation_failed", 422, typeInvalid, "Some fields are not valid.", "Correct the fields listed in errors.", false)
	NotSignedIn         = def("not_signed_in", 401, typeAuth, "This call needs a sign-in or a management key.", "Send Authorization: Bearer and a session or management key.", false)
	WrongPassword       = def("wrong_password", 401, typeAuth, "The e-mail address or the password is wrong.", "Check both and try again.", false)
	SessionExpired      = def("session_expired", 401, typeAuth, "The session has ended.", "Sign in again.", false)
	Forbidden           = def("forbidden", 403, typePermission, "Your role does not allow this.", "Ask an owner or admin of the tenant.", false)
	CSRF                = def("csrf_failed", 403, typePermission, "The form was not sent from this site, or it is too old.", "Reload the page and send the form again.", false)
	OperatorOnly        = def("operator_only", 403, typePermission, "This is for operators alone.", "Use an operator's session or management key.", false)
	SignUpClosed        = def("signup_closed", 403, typePermission, "Sign-up is closed here.", "Ask the operator to make a tenant for you, or an owner to add you to one.", false)
	Conflict            = def("conflict", 409, typeInvalid, "This clashes with something that exists.", "The message says what to do instead.", false)
	AlreadyExists       = def("already_exists", 409, typeInvalid, "Something with this name exists.", "Choose another name.", false)
	LastOwner           = def("last_owner", 409, typeInvalid, "This is the last owner of the tenant.", "Make somebody else an owner first.", false)
	InUse               = def("in_use", 409, typeInvalid, "Something else uses this.", "Remove what uses it first.", false)
	PreconditionFailed  = def("precondition_failed", 412, typeInvalid, "Somebody changed this since you read it.", "Read it again and repeat the change.", false)
	IdempotencyMismatch = def("idempotency_mismatch", 422, typeInvalid, "This Idempotency-Key was used with another request.", "Use a new Idempotency-Key for a new request.", false)
	IdempotencyBusy     = def("idempotency_in_progress", 409, typeInvalid, "A request with this Idempotency-Key is still running.", "Wait for the first one to end.", true)
	TooManyAttempts     = def("too_many_attempts", 429, typeRateLimit, "Too many attempts.", "Wait a minute and try again.", true)
)

var all []*Kind

func def(code string, status int, typ, text, fix string, retry bool) *Kind {
	k := &Kind{Code: code, Status: status, Type: typ, Text: text, Fix: fix, Retry: retry}
	all = append(all, k)
	return k
}

// All lists every kind, in the order of the catalogue.
func All() []*Kind { return append([]*Kind(nil), all...) }

// ByCode finds a kind; nil when there is none.
func ByCode(code string) *Kind {
	for _, k := range all {
		if k.Code == code {
			return k
		}
	}
	return nil
}
