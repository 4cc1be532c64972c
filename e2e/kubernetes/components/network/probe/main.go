// What pods of the tests run: something that answers, something that asks.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage: probe serve PORT          answers every HTTP request with the name of its host
       probe control-plane PORT  says to every runtime that its tenant has no modules
       probe wait                does nothing
       probe connect HOST:PORT   exit 0 if somebody accepts within a second
       probe get URL             status and body of what is answered within two seconds`

func main() {
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := run(stop, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(stop context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(stop, args[1], http.HandlerFunc(tellName))
	case len(args) == 2 && args[0] == "control-plane":
		return serve(stop, args[1], withoutModules(stop))
	case len(args) == 1 && args[0] == "wait":
		<-stop.Done()
		return nil
	case len(args) == 2 && args[0] == "connect":
		connection, err := net.DialTimeout("tcp", args[1], time.Second)
		if err != nil {
			return err
		}
		return connection.Close()
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	default:
		return fmt.Errorf("%s", usage)
	}
}

func serve(stop context.Context, port string, handler http.Handler) error {
	server := http.Server{Addr: ":" + port, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-stop.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func tellName(w http.ResponseWriter, _ *http.Request) {
	name, err := os.Hostname()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, name)
}

// The part of the control plane that a runtime needs to become ready: an empty snapshot, and a heartbeat that keeps it believed.
// For tests of the operator alone.
func withoutModules(stop context.Context) http.Handler {
	calls := http.NewServeMux()
	calls.HandleFunc("GET /v1/runtime/modules/watch", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		event := `{"type":"SNAPSHOT","generation":0,"modules":[]}`
		for {
			fmt.Fprintln(w, event)
			if flusher, ok := w.(http.Flusher); ok {
				flusher.Flush()
			}
			select {
			case <-time.After(10 * time.Second):
				event = `{"type":"BOOKMARK","generation":0}`
			case <-r.Context().Done():
				return
			case <-stop.Done():
				return
			}
		}
	})
	calls.HandleFunc("POST /v1/runtime/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	return calls
}

func get(url string) error {
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	fmt.Printf("%d %s", response.StatusCode, body)
	return nil
}
