// Package web owns the pages: which address shows what, who may see it, forms
// and their tokens, and the browser's session. It calls the control plane
// through package control, hands view models to package view, and turns every
// error into a page in one place. It must not know of databases or data
// planes, and keeps nothing between two requests.
//
// # Session and forms
//
// The control plane's session secret is the cookie __Host-tollgate (Secure,
// HttpOnly, SameSite=Lax). Every POST carries csrf, an HMAC of the session (or
// of __Host-tollgate-before ahead of sign-in), and idem, which goes to the API
// as Idempotency-Key, so that a form sent twice acts once. A message for the
// next page, with a new secret in it or not, travels in __Host-tollgate-flash,
// sealed to the session, and is shown once. The theme is in tollgate-theme.
// After a change that data planes must learn of the address has ?change={id},
// and the page shows how far it has come.
//
// # Pages
//
// People without a session: / (sign-in), /signup. With one: /password.
// Anybody: POST /theme, /livez, /readyz, /static/….
//
//	/t/{slug}                     overview; /live is its live part
//	/t/{slug}/start               first call; /events (SSE), /check (no scripts)
//	/t/{slug}/usage               ?by=model|key|project|route|provider &period=today|7d|30d|90d|custom &from &to &was
//	/t/{slug}/requests            ?route &key &outcome &period=1h|24h|7d|90d|custom &from &to &was &errors=1 &cursor
//	/t/{slug}/requests/{id}       one request; /t/{slug}/find?q={id} leads to it
//	/t/{slug}/keys                list; POST makes one; /new is the form
//	/t/{slug}/keys/{id}           detail; POST changes; POST …/rotate, …/revoke
//	/t/{slug}/credentials         list; POST; /new; /{id}; POST /{id}, /{id}/delete
//	/t/{slug}/models              list; POST; /new?credential &provider &q; /{id}; POST /{id}, /{id}/prices, /{id}/delete
//	/t/{slug}/routes              list; POST; /new; /{id}; POST /{id}, /{id}/delete
//	/t/{slug}/projects            list; POST; /{id}; POST /{id}, /{id}/delete
//	/t/{slug}/members             list; POST adds; POST /{id} (role), /{id}/remove
//	/t/{slug}/management-keys     list; POST; POST /{id}/revoke
//	/t/{slug}/audit               ?what={kind} &who &cursor
//	/t/{slug}/settings
//	/t/{slug}/changes/{id}        status line of a change, a fragment
//	/admin                        operator's overview; /live is its live part
//	/admin/tenants                ?query &status &cursor; /{slug}; POST /{slug}/suspend, /{slug}/resume
//	/admin/data-planes            /live is its live part
//	/admin/catalog                ?provider; POST; /price?model={catalog id}; POST /price
//	/admin/audit                  ?what &who &seeded=1 &cursor
//	/admin/doctor
//
// # Test ids
//
// Everywhere: tenant-switcher, sign-out, flash, problem, error-{field},
// change (data-state travelling, waiting, live or refused), suspended, empty,
// next-page, failure (with code and request-id), tile-{id}, chart-{id},
// secret-value (a new secret, in flash or on start).
// Signed out: sign-in-form, sign-up-form, needs-https.
// Start: new-key, snippets, snippet-{lang}, code-{lang} (curl, python,
// typescript, anthropic, go), first-request (data-state waiting, failed or
// arrived), first-tokens, first-cost, first-code, first-request-link.
// Overview: tile-today-{requests,tokens,cost,errors}, tile-month-{…},
// chart-{cost,requests,tokens}, refusals.
// Usage: usage-filter, usage-table, tile-{requests,tokens,cost,errors,attempts}.
// Requests: request-filter, requests (rows have data-request-id), request-facts,
// request-id, timeline, attempts, sum-{price,cost}, ledger-{price,cost}.
// Keys: new-key, keys, key-form, key-facts, key-edit, key-rotate,
// rotate-warning, key-revoke. Forms: retype-{field}, cut.
// Others: new-credential, credentials, credential-form, credential-edit,
// used-by, secret-stored, catalog-filter, catalog-more, audit-filter, searched,
// new-model, models, model-form, pricing, price-form, unknown-form, prices,
// catalog, new-route, routes, route-form, route-edit, projects, project-form,
// project-edit, members, management-keys, management-key-form, audit,
// settings-form. Rows of lists have data-id.
// Operator: tile-{price,cost,margin,requests,tokens,errors,tenants},
// top-tenants, top-models, tenants, tenant-links, tenant-suspend, tenant-resume, data-planes,
// newest-revision, catalog-form, operator-price-form, doctor-verdict,
// check-{name}.
package web
