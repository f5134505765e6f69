package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tollgate/tollgate/proto/providerkind"
	"github.com/tollgate/tollgate/scripts/internal/proc"
	"github.com/tollgate/tollgate/scripts/internal/stand"
)

type provider struct {
	process   *proc.Process
	addr, url string
}

func (p *provider) stop() { p.process.Stop(5 * time.Second) }

// startProvider runs the fake provider in a process of its own.
func startProvider(ctx context.Context, s settings) (*provider, error) {
	bin := filepath.Join(s.dir, "fakeprovider")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "github.com/tollgate/tollgate/scripts/fakeprovider/cmd/fakeprovider")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the fake provider: %w\n%s", err, out)
	}
	addr, err := stand.FreeAddr()
	if err != nil {
		return nil, err
	}
	p := &provider{addr: addr, url: "http://" + addr + "/v1"}
	p.process = proc.New(proc.Spec{Name: "provider", Path: bin, Args: []string{"-addr", addr, "-nolog", "-hasty"}, LogDir: s.dir,
		Env: proc.Clean(map[string]string{"GOMAXPROCS": "1"}), CPU: restCPU, Ready: answers("http://" + addr + "/v1/models")})
	return p, p.process.Start(ctx)
}

type nginx struct {
	process       *proc.Process
	plain, stream string
}

// nginxConfig is one worker for one core, connections kept alive on both sides,
// nothing logged; answers are passed on as they arrive only where they stream.
const nginxConfig = `
worker_processes 1;
daemon off;
pid %[1]s/nginx.pid;
error_log stderr error;
%[5]s
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 100000000;
  %[6]s
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  upstream provider { server %[2]s; keepalive 128; keepalive_requests 100000000; }
  server {
    listen %[3]s;
    location / { proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
  server {
    listen %[4]s;
    location / { proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
`

// nginxBuffers keep bodies of 30 KB in memory, which is nginx at its best. As it
// comes, it writes them to a file.
const nginxBuffers = "client_body_buffer_size 64k; proxy_buffers 8 16k;"

func startNginx(ctx context.Context, s settings, provider string) (*nginx, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path = "/usr/sbin/nginx"; !exists(path) {
			return nil, fmt.Errorf("nginx is needed to measure beside (package nginx-light): %w", err)
		}
	}
	n := &nginx{}
	if n.plain, err = stand.FreeAddr(); err != nil {
		return nil, err
	}
	if n.stream, err = stand.FreeAddr(); err != nil {
		return nil, err
	}
	dir := filepath.Join(s.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	buffers := nginxBuffers
	if s.stock {
		buffers = ""
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, provider, n.plain, n.stream, user, buffers), 0o644); err != nil {
		return nil, err
	}
	n.process = proc.New(proc.Spec{Name: "nginx", Path: path, Args: []string{"-c", config, "-p", dir}, LogDir: s.dir,
		Env: proc.Clean(nil), CPU: gatewayCPU, Ready: answers("http://" + n.stream + "/v1/models")})
	return n, n.process.Start(ctx)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

func answers(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			return fmt.Errorf("%s: %s", url, resp.Status)
		}
		return nil
	}
}

// addRoutes lets the tenant call the provider in the dialects that its
// requests are translated to.
func addRoutes(ctx context.Context, s *stand.Stand, t *stand.Tenant, provider string) error {
	var change int64
	for _, r := range []struct{ route, dialect, base string }{
		{"anthropic", providerkind.Anthropic, "/v1"}, {"gemini", providerkind.Gemini, "/v1beta"},
	} {
		var credential struct{ ID string }
		if err := t.API.Do(ctx, "POST", t.Path("/credentials"), map[string]any{
			"name": r.route, "provider": providerkind.Custom, "dialect": r.dialect, "base_url": "http://" + provider + r.base, "secret": stand.ProviderSecret,
		}, &credential); err != nil {
			return fmt.Errorf("credential for %s: %w", r.route, err)
		}
		var model struct {
			ChangeID int64 `json:"change_id"`
		}
		if err := t.API.Do(ctx, "POST", t.Path("/models"), map[string]any{
			"credential_id": credential.ID, "provider_model": "fake-model", "route_name": r.route,
			"price": map[string]any{"input": "0.15", "output": "0.6"},
		}, &model); err != nil {
			return fmt.Errorf("route %s: %w", r.route, err)
		}
		change = model.ChangeID
	}
	return s.AwaitLive(ctx, t, change)
}
