package fakes_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/widgetd/widgetd/domain"
	"github.com/widgetd/widgetd/ports"
	"github.com/widgetd/widgetd/ports/fakes"
)

// nextWidget is a handler of another program. It shows the widget that is due first.
func nextWidget(widgets ports.Widgets) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next, err := widgets.Slice(r.Context(), domain.WidgetQuery{Sort: domain.ByDeadline}, "", 1)
		if domain.KindOf(err) == domain.Unavailable {
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		for _, widget := range next.Items {
			_, _ = fmt.Fprintf(w, "%s is due on %s\n", widget.Name, widget.Deadline)
		}
	})
}

// A test of another program gives its handler a fake in place of the use cases. The fake
// returns what the test needs, also an error, and records the calls.
func Example() {
	deadline := domain.RestoreDeadline(domain.EndOfDay(2099, time.December, 31))
	due := domain.Widget{Name: domain.RestoreWidgetName("gear"), WidgetFields: domain.WidgetFields{Deadline: deadline}}
	widgets := &fakes.WidgetsMock{
		SliceFunc: func(context.Context, domain.WidgetQuery, string, int) (domain.Slice[domain.Widget], error) {
			return domain.Slice[domain.Widget]{Items: []domain.Widget{due}}, nil
		},
	}
	fmt.Print(get(nextWidget(widgets)))

	widgets.SliceFunc = func(context.Context, domain.WidgetQuery, string, int) (domain.Slice[domain.Widget], error) {
		return domain.Slice[domain.Widget]{}, domain.Unavailable
	}
	fmt.Print(get(nextWidget(widgets)))

	for _, call := range widgets.SliceCalls() {
		fmt.Println("asked for", call.Limit, "widget by", call.Query.Sort)
	}
	// Output:
	// 200 gear is due on 2099-12-31T23:59:59Z
	// 503 try again later
	// asked for 1 widget by deadline
	// asked for 1 widget by deadline
}

func get(handler http.Handler) string {
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/", nil))
	return fmt.Sprint(response.Code, " ", response.Body)
}
