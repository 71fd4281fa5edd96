// Package deploy tests the compose file with the parser of Docker Compose. It is a
// separate module, so that the main module does not depend on that parser.
package deploy

import (
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

const secret = "a secret of the operator that is in no file"

func load(t *testing.T, environment ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(environment))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func TestComposeFileIsTwoServersOnAReplicaSet(t *testing.T) {
	project, err := load(t, "WIDGETD_SECRET_KEY="+secret)
	if err != nil {
		t.Fatal(err)
	}
	names := project.ServiceNames()
	slices.Sort(names)
	if want := []string{"mongodb-set", "mongodb1", "mongodb2", "mongodb3", "widgetd1", "widgetd2"}; !slices.Equal(names, want) {
		t.Errorf("services %q, want %q", names, want)
	}
	for name, service := range project.Services {
		inStore := service.Networks["store"] != nil || slices.Contains(service.NetworksByPriority(), "store")
		switch {
		case !inStore:
			t.Errorf("%s is not in the network of the store", name)
		case strings.HasPrefix(name, "mongodb") && (len(service.Ports) > 0 || len(service.Networks) != 1):
			t.Errorf("%s can be reached from elsewhere", name)
		case strings.HasPrefix(name, "widgetd"):
			checkServer(t, service)
		}
	}
	if !project.Networks["store"].Internal {
		t.Error("the network of the store is not internal")
	}
}

func checkServer(t *testing.T, service types.ServiceConfig) {
	t.Helper()
	if key := service.Environment["WIDGETD_SECRET_KEY"]; key == nil || *key != secret {
		t.Errorf("%s does not have the key of the operator", service.Name)
	}
	if !service.ReadOnly || !slices.Equal(service.CapDrop, []string{"ALL"}) || service.Privileged {
		t.Errorf("%s has more rights than it needs", service.Name)
	}
	if wait := service.DependsOn["mongodb-set"].Condition; wait != types.ServiceConditionCompletedSuccessfully {
		t.Errorf("%s does not wait for the replica set: %q", service.Name, wait)
	}
	uri := *service.Environment["WIDGETD_MONGODB_URI"]
	if !strings.Contains(uri, "mongodb1,mongodb2,mongodb3") || !strings.Contains(uri, "replicaSet=rs0") {
		t.Errorf("%s has the store %s", service.Name, uri)
	}
}

func TestComposeFileContainsNoSecret(t *testing.T) {
	if _, err := load(t); err == nil || !strings.Contains(err.Error(), "WIDGETD_SECRET_KEY") {
		t.Errorf("without a key: %v", err)
	}
}
