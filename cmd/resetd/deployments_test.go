package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v4"
)

const deployments = "../../deployments"

// deployed are the files of deployments/ by name.
func deployed(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(deployments)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(deployments, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

// documents parses a stream of YAML; an unknown anchor, a repeated key or a bad indentation is an error.
func documents[T any](t *testing.T, name, text string) []T {
	t.Helper()
	var all []T
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var v T
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, v)
	}
}

// Who copies a configuration of deployments/ and makes the keys that README.md tells of has one that starts, without even a warning.
func TestDeployedConfigurations(t *testing.T) {
	files := deployed(t)
	for _, name := range []string{"resetd.toml", "compose.toml"} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			writeText(t, "resetd.toml", files[name])
			for _, args := range []string{"token -out token.key", "dkim new -selector r2026 -domain example.org -out ."} {
				if out, code, msg := runCLI(t, keysCmd(), strings.Fields(args)...); code != 0 {
					t.Fatal(args, out, msg)
				}
			}
			for _, f := range []string{"relay.password", "directory.secret"} {
				writeText(t, f, "a secret of this test\n")
			}
			writeText(t, "accounts.json", "")
			if out, code, msg := runCLI(t, configCmd(), "check", "resetd.toml"); out != "ok\n" || code != 0 {
				t.Errorf("exit %d %s\n%s", code, msg, out)
			}
		})
	}
}

// Each metric that an alert or a panel asks for is one that we serve.
func TestDeployedMetrics(t *testing.T) {
	descs := make(chan *prometheus.Desc, 100)
	collector{}.Describe(descs)
	close(descs)
	var served []string
	name := regexp.MustCompile(`resetd_[a-z_]*[a-z]`)
	for d := range descs {
		served = append(served, name.FindString(d.String()))
	}
	files := deployed(t)
	for _, file := range []string{"prometheus-rules.yaml", "grafana.json"} {
		asked := name.FindAllString(files[file], -1)
		if len(asked) == 0 {
			t.Errorf("%s asks for nothing", file)
		}
		for _, m := range asked {
			if !slices.Contains(served, m) {
				t.Errorf("%s asks for %s, which we do not serve", file, m)
			}
		}
	}
}

// Every alert says what it means and what to do.
func TestDeployedAlerts(t *testing.T) {
	type rules struct {
		Groups []struct {
			Rules []struct {
				Record, Alert, Expr string
				Annotations         struct{ Summary, Do string }
			}
		}
	}
	alerts := 0
	for _, f := range documents[rules](t, "prometheus-rules.yaml", deployed(t)["prometheus-rules.yaml"]) {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				if r.Expr == "" || (r.Alert == "") == (r.Record == "") {
					t.Errorf("%+v is neither an alert nor a record", r)
				}
				if r.Alert != "" && (r.Annotations.Summary == "" || r.Annotations.Do == "") {
					t.Errorf("%s says not what it means, or not what to do", r.Alert)
				}
				if r.Alert != "" {
					alerts++
				}
			}
		}
	}
	if alerts < 8 {
		t.Errorf("%d alerts", alerts)
	}
}

func TestDeployedDashboard(t *testing.T) {
	var d struct {
		UID    string
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.NewDecoder(bytes.NewBufferString(deployed(t)["grafana.json"])).Decode(&d); err != nil {
		t.Fatal(err)
	}
	if d.UID == "" || len(d.Panels) < 6 {
		t.Errorf("uid %q, %d panels", d.UID, len(d.Panels))
	}
	for _, p := range d.Panels {
		if len(p.Targets) == 0 || p.Targets[0].Expr == "" {
			t.Errorf("%s shows nothing", p.Title)
		}
	}
}

// compose.yaml parses, and builds from files that exist.
func TestDeployedCompose(t *testing.T) {
	type file struct {
		Services map[string]struct {
			Image       string
			Build       any // a folder, or context and dockerfile
			Command     []string
			Volumes     []string
			DependsOn   map[string]any `yaml:"depends_on"`
			GracePeriod string         `yaml:"stop_grace_period"`
		}
		Volumes map[string]any
	}
	docs := documents[file](t, "compose.yaml", deployed(t)["compose.yaml"])
	if len(docs) != 1 || len(docs[0].Services) != 3 {
		t.Fatalf("%d documents: %+v", len(docs), docs)
	}
	c := docs[0]
	for name, s := range c.Services {
		dockerfile := ""
		switch b := s.Build.(type) {
		case string:
			dockerfile = filepath.Join(deployments, b, "Dockerfile")
		case map[string]any:
			dockerfile = filepath.Join(deployments, b["context"].(string), b["dockerfile"].(string))
		}
		if dockerfile == "" {
			if s.Image == "" {
				t.Errorf("%s has no image and is not built", name)
			}
		} else if _, err := os.Stat(dockerfile); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := c.Volumes[from]; !named && from != "./etc" { // made by whoever follows README.md
				t.Errorf("%s mounts %s, which is neither a volume nor etc", name, from)
			}
		}
		for other := range s.DependsOn {
			if _, ok := c.Services[other]; !ok {
				t.Errorf("%s depends on %s", name, other)
			}
		}
	}
	redis := strings.Join(c.Services["redis"].Command, " ")
	for _, want := range []string{"--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"} {
		if !strings.Contains(redis, want) {
			t.Errorf("redis runs without %s", want)
		}
	}
	if g := c.Services["resetd"].GracePeriod; g != "11m" {
		t.Errorf("a final dot may be waited for 10 minutes, and resetd is stopped after %q", g)
	}
}

// kubernetes.yaml parses; probes, grace period and mounts are where they belong, and Services select pods that exist.
func TestDeployedKubernetes(t *testing.T) {
	type probe struct {
		HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
	}
	type object struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     struct {
			Selector any // a map of labels in a Service
			Template struct {
				Metadata struct{ Labels map[string]string }
				Spec     struct {
					Grace      int `yaml:"terminationGracePeriodSeconds"`
					Containers []struct {
						Args      []string
						Ports     []struct{ Name string }
						Liveness  probe `yaml:"livenessProbe"`
						Readiness probe `yaml:"readinessProbe"`
					}
				}
			}
		}
	}
	kinds := map[string]int{}
	pods := map[string]string{} // parts by the value of the label part
	var selected []string
	for _, o := range documents[object](t, "kubernetes.yaml", deployed(t)["kubernetes.yaml"]) {
		kinds[o.Kind]++
		switch o.Kind {
		case "Service":
			part, _ := o.Spec.Selector.(map[string]any)["part"].(string)
			selected = append(selected, part)
		case "Deployment":
			pod := o.Spec.Template
			c := pod.Spec.Containers[0]
			only := c.Args[slices.Index(c.Args, "-only")+1]
			pods[pod.Metadata.Labels["part"]] = only
			for part := range strings.SplitSeq(only, ",") {
				if !slices.Contains(partNames, part) {
					t.Errorf("%s runs the part %s", o.Metadata.Name, part)
				}
			}
			if c.Liveness.HTTPGet.Path != "/healthz" || c.Readiness.HTTPGet.Path != "/readyz" || c.Liveness.HTTPGet.Port != "ops" {
				t.Errorf("%s: probes %+v %+v", o.Metadata.Name, c.Liveness, c.Readiness)
			}
			if strings.Contains(only, "worker") && pod.Spec.Grace != 660 {
				t.Errorf("%s is killed after %d s", o.Metadata.Name, pod.Spec.Grace)
			}
		}
	}
	if kinds["Deployment"] != 2 || kinds["Service"] != 2 || kinds["NetworkPolicy"] != 2 {
		t.Errorf("%v", kinds)
	}
	for _, part := range selected {
		if pods[part] == "" {
			t.Errorf("a Service selects %q, which no Deployment runs", part)
		}
	}
}

// The unit hands over every file that the configuration names.
func TestDeployedUnit(t *testing.T) {
	files := deployed(t)
	named := regexp.MustCompile(`(?m)^[a-z_]*(?:_file|path) = "([^"]+)"`).FindAllStringSubmatch(files["resetd.toml"], -1)
	if len(named) < 4 {
		t.Fatalf("%q", named)
	}
	for _, want := range append(named, []string{"", "resetd.toml"}) {
		if line := "\nLoadCredential=" + want[1] + ":/etc/resetd/" + want[1] + "\n"; !strings.Contains(files["resetd.service"], line) {
			t.Errorf("the unit has no line %q", line)
		}
	}
	for _, want := range []string{"serve -config ${CREDENTIALS_DIRECTORY}/resetd.toml\n", "\nTimeoutStopSec=11min\n", "\nNoNewPrivileges=yes\n", "\nProtectSystem=strict\n"} {
		if !strings.Contains(files["resetd.service"], want) {
			t.Errorf("the unit has no %q", want)
		}
	}
}
