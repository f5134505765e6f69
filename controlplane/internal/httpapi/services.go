package httpapi

import (
	"github.com/tollgate/tollgate/controlplane/internal/apikey"
	"github.com/tollgate/tollgate/controlplane/internal/audit"
	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/credential"
	"github.com/tollgate/tollgate/controlplane/internal/doctor"
	"github.com/tollgate/tollgate/controlplane/internal/managementkey"
	"github.com/tollgate/tollgate/controlplane/internal/member"
	"github.com/tollgate/tollgate/controlplane/internal/project"
	"github.com/tollgate/tollgate/controlplane/internal/rollout"
	"github.com/tollgate/tollgate/controlplane/internal/route"
	"github.com/tollgate/tollgate/controlplane/internal/session"
	"github.com/tollgate/tollgate/controlplane/internal/signup"
	"github.com/tollgate/tollgate/controlplane/internal/tenant"
	"github.com/tollgate/tollgate/controlplane/internal/usage"
)

// Services are the noun packages that handlers call.
type Services struct {
	Signups        *signup.Service
	Sessions       *session.Service
	Tenants        *tenant.Service
	Projects       *project.Service
	Members        *member.Service
	APIKeys        *apikey.Service
	ManagementKeys *managementkey.Service
	Audit          *audit.Service
	Credentials    *credential.Service
	Catalog        *catalog.Service
	Routes         *route.Service
	Rollout        rollout.Store
	Snapshots      Snapshots
	Usage          *usage.Service
	Prices         Prices
	Doctor         doctor.Store
}
