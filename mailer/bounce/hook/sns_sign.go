package hook

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// signed is the text that SNS signs: name, value, each followed by a line feed, in an order that depends on the type. nil = no such type.
func (m *snsMessage) signed() []byte {
	var fields []string
	switch m.Type {
	case "Notification":
		fields = []string{"Message", m.Message, "MessageId", m.MessageID}
		if m.Subject != nil {
			fields = append(fields, "Subject", *m.Subject)
		}
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		fields = []string{"Message", m.Message, "MessageId", m.MessageID, "SubscribeURL", m.SubscribeURL}
	default:
		return nil
	}
	fields = append(fields, "Timestamp", m.Timestamp)
	if m.Type != "Notification" {
		fields = append(fields, "Token", m.Token)
	}
	fields = append(fields, "TopicArn", m.TopicARN, "Type", m.Type)
	return []byte(strings.Join(fields, "\n") + "\n")
}

// proven checks the signature of a message. Version 1 is RSA over SHA-1, the default of older topics; version 2 over SHA-256.
func (s *ses) proven(ctx context.Context, m *snsMessage) error {
	text := m.signed()
	if text == nil {
		return ErrMalformed
	}
	sig, err := base64.StdEncoding.DecodeString(m.Signature)
	if err != nil || len(sig) == 0 {
		return ErrSignature
	}
	var hash crypto.Hash
	var sum []byte
	switch m.SignatureVersion {
	case "1":
		h := sha1.Sum(text)
		hash, sum = crypto.SHA1, h[:]
	case "2":
		h := sha256.Sum256(text)
		hash, sum = crypto.SHA256, h[:]
	default:
		return ErrSignature
	}
	key, err := s.certs.key(ctx, m.SigningCertURL)
	if err != nil {
		return err
	}
	if rsa.VerifyPKCS1v15(key, hash, sum, sig) != nil {
		return ErrSignature
	}
	return nil
}
