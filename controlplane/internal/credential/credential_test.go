package credential

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/controlplane/internal/catalog"
	"github.com/tollgate/tollgate/controlplane/internal/change"
	"github.com/tollgate/tollgate/controlplane/internal/seal"
	"github.com/tollgate/tollgate/proto/configcheck"
	"github.com/tollgate/tollgate/proto/fault"
	"github.com/tollgate/tollgate/proto/id"
	"github.com/tollgate/tollgate/proto/network"
	"github.com/tollgate/tollgate/proto/providerkind"
	transport "github.com/tollgate/tollgate/proto/seal"
	configv1 "github.com/tollgate/tollgate/proto/tollgate/config/v1"
)

func TestEachProviderOfTheCatalogueHasAPreset(t *testing.T) {
	list, err := catalog.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		k, ok := providerkind.Find(l.Entry.Provider)
		if !ok {
			t.Errorf("%s is no known provider", l.Entry.Provider)
			continue
		}
		if k.BaseURL == "" && k.Name == providerkind.Demo {
			continue
		}
		if err := configcheck.CheckBaseURL(k.BaseURL); err != nil || !strings.HasPrefix(k.BaseURL, "https://") {
			t.Errorf("preset of %s: %+v, %v", l.Entry.Provider, k, err)
		}
	}
}

func TestDataPlanesAloneCanOpenWhatTravels(t *testing.T) {
	kek, err := seal.NewLocal(bytes.Repeat([]byte{1}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	key, err := transport.Generate()
	if err != nil {
		t.Fatal(err)
	}
	s := NewService(nil, seal.NewBox(kek), key.Public(), nil)
	c := &Credential{ID: id.New(id.Credential), TenantID: id.New(id.Tenant), Provider: "openai", BaseURL: "https://api.openai.com/v1", AuthStyle: Bearer}
	name, secret := "mine", "sk-123456789012"
	open := func(rec change.Record) string {
		t.Helper()
		var m configv1.Credential
		if err := proto.Unmarshal(rec.Resources[0].Payload, &m); err != nil {
			t.Fatal(err)
		}
		if _, err := key.Open(c.TenantID, id.New(id.Credential), m.SealedSecret); err == nil {
			t.Error("it opens for another credential")
		}
		got, err := key.Open(c.TenantID, c.ID, m.SealedSecret)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	rec, err := s.apply(context.Background(), c, Input{Name: &name, Secret: &secret})
	if err != nil || open(rec) != secret {
		t.Fatalf("the secret does not arrive: %v", err)
	}
	// A change of something else sends the stored secret again.
	c.Version = 1
	timeout := 1000
	rec, err = s.apply(context.Background(), c, Input{IdleTimeoutMS: &timeout})
	if err != nil || len(rec.Resources) != 1 || open(rec) != secret {
		t.Fatalf("the kept secret does not arrive: %v", err)
	}
	if rec, err := s.apply(context.Background(), c, Input{Name: &name}); err != nil || len(rec.Resources) != 0 {
		t.Errorf("nothing changed for data planes, yet: %v, %v", rec, err)
	}
	allowed := NewService(nil, seal.NewBox(kek), key.Public(), network.List{netip.MustParsePrefix("10.1.0.0/16")})
	plain := "http://10.1.0.7:8000/v1"
	if _, err := s.apply(context.Background(), c, Input{BaseURL: &plain, Secret: &secret}); err == nil {
		t.Error("http was taken")
	}
	if _, err := allowed.apply(context.Background(), c, Input{BaseURL: &plain, Secret: &secret}); err != nil {
		t.Errorf("http was refused though the operator allows it: %v", err)
	}
	for _, u := range []string{"http://169.254.169.254/latest", "https://169.254.169.254/latest", "https://10.2.0.1/v1", "https://localhost:8443/v1",
		"https://LOCALHOST./v1", "https://a.localhost/v1", "https://[::1]/v1", "https://[::ffff:10.2.0.1]/v1", "https://[64:ff9b::a9fe:a9fe]/v1", "http://8.8.8.8/v1"} {
		if _, err := allowed.apply(context.Background(), c, Input{BaseURL: &u, Secret: &secret}); err == nil || !strings.Contains(fault.From(err).Fields[0].Location, "base_url") {
			t.Errorf("%s was taken: %v", u, err)
		}
	}
	for _, u := range []string{"https://8.8.8.8/v1", "https://[2606:4700::1]/v1", "https://[::ffff:10.1.0.1]/v1", "https://localhost.example/v1"} {
		if _, err := allowed.apply(context.Background(), c, Input{BaseURL: &u, Secret: &secret}); err != nil {
			t.Errorf("%s was refused: %v", u, err)
		}
	}
}
