package api

import (
	"net/http"
	"time"
)

// Server is an HTTP server whose limits a hostile client meets before our handlers do. Every time limit is longer than the slowest
// honest call (a directory that answers at its last second).
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
}
