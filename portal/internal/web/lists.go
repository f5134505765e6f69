package web

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/portal/internal/control"
	"github.com/tollgate/tollgate/portal/internal/view"
	"github.com/tollgate/tollgate/proto/openapi/apiclient"
)

const (
	// pageSize is the most that the API gives at once, mostPages how many of
	// those are read for the choices of a form and the names in a table: a
	// tenant with more gets a page that says so, not one that never comes.
	pageSize  = 100
	mostPages = 10
)

// choices are the entries of a list as forms offer them and tables name them.
type choices struct {
	options []view.Option
	names   map[string]string
	// cut says that there are more than were read.
	cut bool
}

// add takes an entry that tables call by name and forms by label.
func (c *choices) add(id, name, label string) {
	if c.names == nil {
		c.names = map[string]string{}
	}
	c.names[id] = name
	c.options = append(c.options, view.Option{Value: id, Label: label})
}

// readAll follows a list to its end or to the bound.
func readAll[T any](read func(cursor *string) (page []T, next *string, more bool, err error)) (list []T, cut bool, err error) {
	return readPages(mostPages, read)
}

// readPages is readAll with another bound.
func readPages[T any](most int, read func(cursor *string) (page []T, next *string, more bool, err error)) (list []T, cut bool, err error) {
	var cursor *string
	for range most {
		page, next, more, err := read(cursor)
		if err != nil {
			return nil, false, err
		}
		list = append(list, page...)
		if !more || next == nil {
			return list, false, nil
		}
		cursor = next
	}
	return list, true, nil
}

// first is a choice that stands for all, saying when not all are listed.
func (c choices) first(label string) []view.Option {
	if c.cut {
		label += fmt.Sprintf(" (the first %s are listed)", view.Int(int64(len(c.options))))
	}
	return append([]view.Option{{Value: "", Label: label}}, c.options...)
}

// projectNames are the tenant's projects.
func (v *visit) projectNames(ctx context.Context) (c choices, err error) {
	list, cut, err := readAll(func(cursor *string) ([]apiclient.Project, *string, bool, error) {
		p, err := control.OK(v.api.ListProjectsWithResponse(ctx, v.slug, &apiclient.ListProjectsParams{Limit: ptr(pageSize), Cursor: cursor}))
		if err != nil {
			return nil, nil, false, err
		}
		return p.Data, p.NextCursor, p.HasMore, nil
	})
	for _, p := range list {
		c.add(p.Id, p.Name, p.Name)
	}
	c.cut = cut
	return c, err
}

// credentialList are the tenant's credentials.
func (v *visit) credentialList(ctx context.Context) ([]apiclient.Credential, bool, error) {
	return readAll(func(cursor *string) ([]apiclient.Credential, *string, bool, error) {
		p, err := control.OK(v.api.ListCredentialsWithResponse(ctx, v.slug, &apiclient.ListCredentialsParams{Limit: ptr(pageSize), Cursor: cursor}))
		if err != nil {
			return nil, nil, false, err
		}
		return p.Data, p.NextCursor, p.HasMore, nil
	})
}

func (v *visit) credentialNames(ctx context.Context) (c choices, err error) {
	list, cut, err := v.credentialList(ctx)
	for _, x := range list {
		c.add(x.Id, x.Name, x.Name+" ("+x.Provider+")")
	}
	c.cut = cut
	return c, err
}

// modelList are the tenant's models.
func (v *visit) modelList(ctx context.Context) ([]apiclient.Model, bool, error) {
	return readAll(func(cursor *string) ([]apiclient.Model, *string, bool, error) {
		p, err := control.OK(v.api.ListModelsWithResponse(ctx, v.slug, &apiclient.ListModelsParams{Limit: ptr(pageSize), Cursor: cursor}))
		if err != nil {
			return nil, nil, false, err
		}
		return p.Data, p.NextCursor, p.HasMore, nil
	})
}

// modelOptions are the tenant's models, for what routes lead to. Those that
// several credentials have are told apart by the credential.
func (v *visit) modelOptions(ctx context.Context) (c choices, err error) {
	list, cut, err := v.modelList(ctx)
	if err != nil {
		return c, err
	}
	times, several := map[string]int{}, false
	for _, m := range list {
		times[m.Provider+"/"+m.ProviderModel]++
		several = several || times[m.Provider+"/"+m.ProviderModel] > 1
	}
	var credentials choices
	if several {
		if credentials, err = v.credentialNames(ctx); err != nil {
			return c, err
		}
	}
	for _, m := range list {
		name, of := m.ProviderModel, m.Provider
		if times[m.Provider+"/"+m.ProviderModel] > 1 {
			by := orText(credentials.names[m.CredentialId], m.CredentialId)
			name, of = name+" ("+by+")", of+", "+by
		}
		c.add(m.Id, name, m.ProviderModel+" ("+of+")")
	}
	c.cut = cut
	return c, nil
}

// keyOptions are the tenant's API keys.
func (v *visit) keyOptions(ctx context.Context) (c choices, err error) {
	list, cut, err := readAll(func(cursor *string) ([]apiclient.ApiKey, *string, bool, error) {
		p, err := control.OK(v.api.ListApiKeysWithResponse(ctx, v.slug, &apiclient.ListApiKeysParams{Limit: ptr(pageSize), Cursor: cursor}))
		if err != nil {
			return nil, nil, false, err
		}
		return p.Data, p.NextCursor, p.HasMore, nil
	})
	for _, k := range list {
		c.add(k.Id, k.Name, k.Name+" ("+k.Hint+")")
	}
	c.cut = cut
	return c, err
}

// routeNames are the tenant's routes and those that every tenant has. Their
// ids are their names: those are what keys and requests hold.
func (v *visit) routeNames(ctx context.Context) (c choices, err error) {
	var own []apiclient.Route
	var all []apiclient.CatalogModel
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		own, c.cut, err = readAll(func(cursor *string) ([]apiclient.Route, *string, bool, error) {
			p, err := control.OK(v.api.ListRoutesWithResponse(ctx, v.slug, &apiclient.ListRoutesParams{Limit: ptr(pageSize), Cursor: cursor}))
			if err != nil {
				return nil, nil, false, err
			}
			return p.Data, p.NextCursor, p.HasMore, nil
		})
		return err
	})
	g.Go(func() (err error) {
		all, err = v.builtIn(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return c, err
	}
	for _, r := range own {
		c.add(r.Name, r.Name, r.Name)
	}
	for _, m := range all {
		if _, taken := c.names[m.ProviderModel]; m.BuiltIn && !taken {
			c.add(m.ProviderModel, m.ProviderModel, m.ProviderModel)
		}
	}
	return c, nil
}

// catalogPages bounds the catalogue: public lists have thousands of models.
const catalogPages = 100

// catalog reads the whole catalogue.
func (v *visit) catalog(ctx context.Context) ([]apiclient.CatalogModel, error) {
	return v.catalogOf(ctx, nil)
}

// builtIn reads the models that every tenant has.
func (v *visit) builtIn(ctx context.Context) ([]apiclient.CatalogModel, error) {
	return v.catalogOf(ctx, ptr(true))
}

func (v *visit) catalogOf(ctx context.Context, builtIn *bool) ([]apiclient.CatalogModel, error) {
	all, _, err := readPages(catalogPages, func(cursor *string) ([]apiclient.CatalogModel, *string, bool, error) {
		p, err := control.OK(v.api.ListCatalogModelsWithResponse(ctx, &apiclient.ListCatalogModelsParams{Limit: ptr(pageSize), Cursor: cursor, BuiltIn: builtIn}))
		if err != nil {
			return nil, nil, false, err
		}
		return p.Data, p.NextCursor, p.HasMore, nil
	})
	return all, err
}
