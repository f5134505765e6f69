package main

// The plane that answers with a code.
const (
	both = iota
	dataPlane
	controlPlane
)

type explanation struct {
	where  int
	reason string
}

// why says for each code what leads to it.
var why = map[string]explanation{
	"bad_request":            {both, "The request could be read, but its parts do not fit together: a value out of range, a header of the wrong form, two fields that exclude each other. The message names the part."},
	"malformed_json":         {both, "The body ended too early, held something after the object, or was not JSON at all. An empty body and a body in another encoding end here too."},
	"missing_field":          {both, "A field without which the call has no meaning was absent or null. `param` names it; `model` and `messages` are the usual ones."},
	"wrong_type":             {both, "A field was there with another type, for example a number in quotes. Tollgate does not guess: what it parsed is what it forwards."},
	"body_too_large":         {both, "Bodies are limited to 32 MiB on the gateway and to 1 MiB on the control plane (16 MiB for a price list). A declared Content-Length above the limit is refused before the body is read."},
	"headers_too_large":      {both, "All header lines together exceeded 32 KiB. Large cookies and long trace headers are the usual cause."},
	"unsupported_media_type": {controlPlane, "The Content-Type of a request to the control plane was something other than application/json. The gateway does not look at it: it reads every body as JSON."},
	"method_not_allowed":     {both, "The address exists, but not for this HTTP method. The `Allow` header of the answer lists those that it takes. OPTIONS at the gateway ends here too, which is how a browser asks whether a page may call: it may not, because whoever can open a page can read the key in it."},
	"request_timeout":        {both, "The headers or the body arrived too slowly. The limit protects everyone else from callers that open a connection and send nothing."},
	"unknown_path":           {both, "No operation has this address. At the gateway the base URL is usually wrong: it must end in /v1, and the SDK adds the rest. The control plane lists its addresses at GET /v1/openapi.json."},
	"not_found":              {controlPlane, "There is nothing with this id in the tenant that the call names. Things of other tenants look exactly like things that do not exist."},
	"model_not_found":        {dataPlane, "The name in `model` is neither a route of the tenant nor a built-in model. Names are exact; they are the tenant's own, not the provider's."},
	"model_not_allowed":      {dataPlane, "The key was limited to certain models when it was made, and this one is not among them."},
	"parameter_forbidden":    {dataPlane, "The key, its project or the route has a rule that forbids what the call asks for: the parameter itself, or a tool, model or tier that the rule does not let through. The message names the parameter and whose rule it is; `GET` of the key, project or route lists its `parameter_rules`. A form of the parameter that hides it from the rule, such as a second spelling, is refused too."},
	"unsupported_operation":  {dataPlane, "The call asks for embeddings, a rerank, moderation or images, or for chat, and the provider of the route has no such operation, or not for this model. [Dialects](../dialects.md) lists which provider serves what; a provider's own way can be called through the proxy path."},
	"tenant_mismatch":        {dataPlane, "The address was /t/{tenant}/v1 and the key was issued by another tenant. The key decides who pays, so a contradiction is refused."},
	"missing_key":            {dataPlane, "Neither Authorization, nor x-api-key, nor x-goog-api-key held a key. The Authorization header may hold the key behind the word Bearer or alone."},
	"invalid_key":            {dataPlane, "The data plane has its whole configuration, and this key is not in it. A key never issued, a key whose tenant was deleted, and a secret from before the rotation before the last look the same: a key has one former secret at a time, so rotating it again ends the overlap of the first rotation at once. Keys of the control plane (`tgm_…`) do not call models. A data plane that is not sure answers `config_unavailable` instead."},
	"key_expired":            {dataPlane, "The key had an expiry date, and that moment has passed; or it is the former secret of a rotated key, and the overlap has ended."},
	"key_revoked":            {dataPlane, "Somebody revoked the key, or rotated it without overlap. Streams that were open then end with this code; what was delivered until then is metered."},
	"tenant_suspended":       {both, "The operator suspended the tenant. Its keys, routes and data stay; its calls are refused until it is resumed."},
	"price_unknown":          {dataPlane, "A call that cannot be priced would be metered at zero in silence. The model was set to block such calls, which is the default."},
	"config_refused":         {controlPlane, "The change is well-formed, but it breaks a rule that the data planes check too, such as a route without a target. It was not stored."},
	"target_blocked":         {both, "The provider's host resolved to a private, loopback, link-local or otherwise reserved address. Tenants choose the URL, so Tollgate checks the address at the moment of the connection."},
	"credential_unusable":    {dataPlane, "The provider's key travels encrypted to the data planes. This data plane could not open it: it was sealed to another key pair, or damaged."},

	"upstream_unreachable":      {dataPlane, "No connection to the provider came about: the name did not resolve, the port was closed, or the TLS handshake failed. Nothing was sent, nothing is charged."},
	"upstream_timeout":          {dataPlane, "The connection stood, but the first byte or the next part of a stream did not come within the credential's timeout."},
	"upstream_reset":            {dataPlane, "The provider closed the connection before the answer was whole. On a stream the error arrives as the last event, without `[DONE]`; tokens delivered until then are metered and flagged as an estimate unless the provider reported them."},
	"upstream_invalid_response": {dataPlane, "The answer was not HTTP, not JSON, or not the shape that the route's dialect promises. Its text is not passed on, since it might hold anything."},
	"upstream_too_large":        {dataPlane, "A plain answer grew beyond 64 MiB. Tollgate stopped reading to protect the other callers."},
	"upstream_rejected":         {dataPlane, "The provider answered with a refusal that is about the call itself. The message holds the provider's own words. The HTTP status is the provider's too, so that SDKs raise the right error, and so is `code` where the provider sent one, such as `context_length_exceeded`; `doc_url` leads here all the same."},
	"upstream_authentication":   {dataPlane, "The provider answered 401 or 403 to the key stored in the credential. The caller's own key is fine, so this is not a 401."},
	"capability_mismatch":       {dataPlane, "The operator's catalogue knows what the model can do, and the call needs more: tools, images, audio, video or documents, an answer after a JSON schema, another operation than the model is for, or a context many times as long as it has. Nobody was called and nothing is charged. What the catalogue does not know refuses nothing; where it is wrong, the operator can correct it."},
	"unsupported_field":         {dataPlane, "The caller and the route's provider speak different dialects, and the provider's has no place for the field. The route refuses such calls rather than drop the field; some fields, such as a reference to an earlier answer that only its provider has, are refused on every route."},
	"upstream_rate_limited":     {dataPlane, "The provider answered 429. Its `retry-after` is passed on when it sent one."},
	"upstream_error":            {dataPlane, "The provider answered with a status of 500 or above."},

	"internal_error":       {both, "A defect in Tollgate or a state that it did not expect. The cause is in the log under the request id and is never shown to callers."},
	"config_unavailable":   {dataPlane, "The key is not known here, but this data plane has just started, or has lost its link to the control plane, and cannot tell whether the key is new. It never answers 401 in that state."},
	"usage_spool_full":     {dataPlane, "Every request is recorded on the data plane's disk before it is answered. The disk, or the share of it that the spool may take, is full, so that a call could not be charged. Calls that cost nothing go on."},
	"overloaded":           {dataPlane, "The number of requests in flight or of open connections reached its limit."},
	"server_draining":      {dataPlane, "The data plane was told to stop. Requests in flight finish within the drain time; a stream that outlasts it ends with this code and is metered up to there."},
	"database_unavailable": {controlPlane, "Postgres did not answer, or had no connection free in time. The data planes do not need it: calls of models go on, and their usage is recorded once it is back."},

	"validation_failed":       {controlPlane, "One or more fields break a rule. `errors` lists every one, each with its location, what is wrong and how to mend it."},
	"not_signed_in":           {controlPlane, "The call had no session and no management key, or one that is not known. An API key does not work here: it calls models only."},
	"wrong_password":          {controlPlane, "No account has this e-mail address with this password. Which of the two is wrong is not told."},
	"session_expired":         {controlPlane, "Sessions end after a time, when you sign out, and when the password changes."},
	"forbidden":               {controlPlane, "You are signed in and the thing exists, but your role in this tenant does not include this operation. The [table of roles](../security.md#roles) says which does."},
	"operator_only":           {controlPlane, "The operation belongs to whoever runs Tollgate: it reaches across tenants, or decides about one from outside. No role in a tenant includes it."},
	"signup_closed":           {controlPlane, "The operator has set `TOLLGATE_SIGNUP` to `closed`: tenants and accounts are made by operators, and owners add people who have an account."},
	"csrf_failed":             {controlPlane, "The form did not carry the secret that the page gave it. Another site may have sent it, or the page was open since before the last sign-in."},
	"last_owner":              {controlPlane, "A tenant without an owner could not be managed by anybody in it, so its last owner can neither leave nor take another role."},
	"conflict":                {controlPlane, "The change would contradict something that is already there. The message says what."},
	"already_exists":          {controlPlane, "Names and slugs are unique within their scope, and this one is taken."},
	"in_use":                  {controlPlane, "Something refers to the thing that was to be deleted, for example a model to a credential or a route to a model."},
	"precondition_failed":     {controlPlane, "The `If-Match` header named a version that is no longer the newest."},
	"idempotency_mismatch":    {controlPlane, "The first request with this Idempotency-Key had another method, address or body. Repeating it safely is only possible with the same one."},
	"idempotency_in_progress": {controlPlane, "Two requests with the same Idempotency-Key arrived together. The second is not carried out."},
	"too_many_attempts":       {controlPlane, "Sign-ins and sign-ups are limited per address and per account, so that passwords cannot be guessed."},
}
