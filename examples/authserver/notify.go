package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/clientele-go/clientele/token"
)

// notifyPause is how long nobody looks for credentials that end soon.
const notifyPause = time.Hour

// newReceiver returns who is told of credentials that end soon: the log and, with
// -notify-webhook, that.
func (a *authority) newReceiver(o options) (token.Receiver, error) {
	log := token.LogNotices(a.log)
	if o.webhook == "" {
		return log, nil
	}
	key, err := webhookKey(o.webhookKey)
	if err != nil {
		return nil, err
	}
	webhook, err := token.NewWebhook(token.WebhookConfig{URL: o.webhook, Secret: key, Now: now})
	if err != nil {
		return nil, fmt.Errorf("-notify-webhook: %w", err)
	}
	return func(ctx context.Context, n token.Notice) error {
		if err := log(ctx, n); err != nil {
			return err
		}
		return webhook.Notify(ctx, n)
	}, nil
}

// webhookKey reads the file of -notify-key. No error shows what is in it.
func webhookKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-notify-key: %w; make one with: openssl rand -base64 32", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("-notify-key %s: want 24 to 64 random bytes in base64, with whsec_ before them or not; make them with: openssl rand -base64 32", path)
	}
	return key, nil
}

// notify tells of credentials that end soon, at once and then once an hour until
// ctx ends.
func (a *authority) notify(ctx context.Context) {
	ticker := time.NewTicker(notifyPause)
	defer ticker.Stop()
	for {
		told, err := a.issuer.Notify(ctx, a.receiver)
		if err != nil && ctx.Err() == nil {
			a.log.Error("telling of credentials that expire failed", "error", err.Error())
		}
		if told > 0 {
			a.log.Info("told of credentials that expire", "count", told)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
