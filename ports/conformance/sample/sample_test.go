package sample_test

import (
	"reflect"
	"testing"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports/conformance/sample"
)

// TestWidgetFieldsSetsEveryField finds a field that is added to
// [domain.WidgetFields] and is missing in the samples.
func TestWidgetFieldsSetsEveryField(t *testing.T) {
	t.Parallel()
	one, other := reflect.ValueOf(sample.WidgetFields("one")), reflect.ValueOf(sample.WidgetFields("two"))
	for _, field := range reflect.VisibleFields(reflect.TypeFor[domain.WidgetFields]()) {
		a, b := one.FieldByIndex(field.Index), other.FieldByIndex(field.Index)
		if a.IsZero() {
			t.Errorf("%s is not set", field.Name)
		}
		if a.Equal(b) {
			t.Errorf("%s is the same for two texts", field.Name)
		}
	}
}
