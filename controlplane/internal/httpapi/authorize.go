package httpapi

import (
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/tollgate/tollgate/controlplane/internal/access"
	"github.com/tollgate/tollgate/proto/fault"
)

// rule says who may call an operation.
type rule struct {
	public   bool // anybody
	signedIn bool // any principal
	operator bool // operators alone
	// roles of the tenant in the path; operators may do all that roles may.
	roles []access.Role
	// slow operations have a minute.
	slow bool
	// large operations take a body of many megabytes.
	large bool
}

// rules is the table of rights: one row for each operation of the API. An
// operation without a row keeps the program from starting.
func rules() map[string]rule {
	var (
		everybody = rule{public: true}
		signedIn  = rule{signedIn: true}
		operator  = rule{operator: true}
		slow      = rule{operator: true, slow: true}
		list      = rule{operator: true, slow: true, large: true}
		member    = rule{roles: access.Roles()}
		read      = rule{roles: []access.Role{access.Owner, access.Admin, access.Developer, access.Viewer}}
		usage     = rule{roles: access.Roles()}
		develop   = rule{roles: []access.Role{access.Owner, access.Admin, access.Developer}}
		admin     = rule{roles: []access.Role{access.Owner, access.Admin}}
	)
	return map[string]rule{
		"signUp":          everybody,
		"getSignUpPolicy": everybody,
		"signIn":          everybody,
		"signOut":         signedIn,
		"getMe":           signedIn,
		"changePassword":  signedIn,

		"createTenant":  operator,
		"listTenants":   operator,
		"suspendTenant": operator,
		"resumeTenant":  operator,
		"getTenant":     member,
		"updateTenant":  admin,

		"listProjects":  read,
		"getProject":    read,
		"createProject": admin,
		"updateProject": admin,
		"deleteProject": admin,

		"listMembers":  read,
		"getMember":    read,
		"addMember":    admin,
		"updateMember": admin,
		"removeMember": admin,

		"listApiKeys":  read,
		"getApiKey":    read,
		"createApiKey": develop,
		"updateApiKey": develop,
		"rotateApiKey": develop,
		"revokeApiKey": develop,

		"listManagementKeys":  read,
		"createManagementKey": admin,
		"revokeManagementKey": admin,

		"listCredentials":  read,
		"getCredential":    read,
		"createCredential": develop,
		"updateCredential": develop,
		"deleteCredential": develop,

		"listModels":       read,
		"getModel":         read,
		"createModel":      develop,
		"updateModel":      develop,
		"deleteModel":      develop,
		"listModelPrices":  read,
		"createModelPrice": develop,

		"listRoutes":  read,
		"getRoute":    read,
		"createRoute": develop,
		"updateRoute": develop,
		"deleteRoute": develop,

		"listCatalogModels": signedIn,

		"getUsage":     usage,
		"listRequests": usage,
		"getRequest":   usage,

		"listAudit":    read,
		"getChange":    read,
		"getRevision":  read,
		"listRefusals": read,

		"getOverview":         operator,
		"listDataPlanes":      operator,
		"createCatalogModel":  operator,
		"updateCatalogModel":  operator,
		"importPrices":        list,
		"createOperatorPrice": operator,
		"listOperatorAudit":   operator,
		"runDoctor":           slow,
		"getConfigSnapshot":   slow,
	}
}

// authorize finds out who calls and whether they may. The tenant of the path
// is looked up here; handlers get its id, whichever of id and slug was sent.
func (s *Server) authorize(c echo.Context, op *operation) error {
	if op.rule.public {
		return nil
	}
	ctx := c.Request().Context()
	call := current(ctx)
	secret, ok := bearer(c.Request().Header.Get(echo.HeaderAuthorization))
	if !ok {
		return fault.New(fault.NotSignedIn, "", nil)
	}
	p, err := access.Authenticate(ctx, s.cfg.Access, secret, s.cfg.Now())
	if err != nil {
		return err
	}
	call.principal = p
	if op.rule.operator && !p.Operator {
		return fault.New(fault.OperatorOnly, "", nil)
	}
	names := c.ParamNames()
	i := slices.Index(names, "tenant_id")
	if i < 0 {
		return nil
	}
	values := slices.Clone(c.ParamValues())
	if call.place, err = access.Enter(ctx, s.cfg.Access, p, storable(unescaped(c, values[i]))); err != nil {
		return err
	}
	if !p.Operator && !slices.Contains(op.rule.roles, call.place.Role) {
		return fault.Newf(fault.Forbidden, "The role %s does not allow this.", call.place.Role)
	}
	values[i] = call.place.TenantID
	c.SetParamValues(values...)
	return nil
}

// bearer reads the Authorization header. The scheme's case is free (RFC 9110).
func bearer(header string) (string, bool) {
	scheme, secret, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	secret = strings.TrimSpace(secret)
	return secret, secret != ""
}

// storable keeps text that Postgres would not take away from it: no tenant
// has such a name.
func storable(s string) string {
	if bad := badText(s); bad != "" {
		return ""
	}
	return s
}
