// A program of sentry-go: a message, then two errors that it captures.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/getsentry/sentry-go"
)

var prices = map[string]string{"tea": "4,20"}

var errSoldOut = errors.New("tea is sold out")

type orderError struct {
	article string
	cause   error
}

func (e *orderError) Error() string { return fmt.Sprintf("%s cannot be ordered", e.article) }
func (e *orderError) Unwrap() error { return e.cause }

func price(article string) (float64, error) {
	return strconv.ParseFloat(prices[article], 64)
}

func order(article string) error {
	if _, err := price(article); err != nil {
		return &orderError{article, err}
	}
	return nil
}

func main() {
	options := sentry.ClientOptions{
		Dsn:         os.Getenv("SENTRY_DSN"),
		Release:     "shop@1.4.2",
		Environment: "production",
	}
	if err := sentry.Init(options); err != nil {
		log.Fatal(err)
	}
	sentry.ConfigureScope(func(scope *sentry.Scope) {
		scope.SetTag("shop.till", "north")
		scope.SetUser(sentry.User{ID: "7"})
	})
	sentry.AddBreadcrumb(&sentry.Breadcrumb{Category: "cart", Message: "tea into the cart", Level: sentry.LevelInfo})
	sentry.WithScope(func(scope *sentry.Scope) {
		scope.SetLevel(sentry.LevelWarning)
		sentry.CaptureMessage("Tea is running low")
	})
	sentry.CaptureException(errSoldOut)
	sentry.CaptureException(order("tea"))
	if !sentry.Flush(10 * time.Second) {
		log.Fatal("not all was sent")
	}
}
