package memory_test

import (
	"testing"

	"github.com/widgetd/widgetd/adapters/memory"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/conformance"
)

func TestUsers(t *testing.T) {
	conformance.UserRepository(t, func(*testing.T) ports.UserRepository { return memory.NewUsers() })
}

func TestWidgets(t *testing.T) {
	conformance.WidgetRepository(t, func(*testing.T) ports.WidgetRepository { return memory.NewWidgets() })
}

func TestBlacklist(t *testing.T) {
	conformance.TokenBlacklist(t, func(*testing.T) ports.TokenBlacklist { return memory.NewBlacklist() })
}

func TestBlacklistCount(t *testing.T) {
	conformance.TokenCounter(t, func(*testing.T) conformance.CountedBlacklist { return memory.NewBlacklist() })
}
