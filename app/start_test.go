package app_test

import (
	"strings"
	"testing"

	"github.com/widgetd/widgetd/app"
)

// TestStoreOfTheProgramIsLogged has settings that name other stores: WithStore goes before them.
func TestStoreOfTheProgramIsLogged(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]app.Config{"the default": app.DefaultConfig(), "a folder": embedded(t), "MongoDB": onMongoDB(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config.SecretKey = "at least thirty-two bytes of secret"
			log := serve(t, config, inMemory()).log.String()
			if !strings.Contains(log, `store="of the program"`) || strings.Contains(log, "folder=") || strings.Contains(log, "hosts=") {
				t.Errorf("the log does not say that the store is that of the program:\n%s", log)
			}
		})
	}
}
