// What pods of the tests run: something that answers, something that asks.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: probe serve PORT          answers every HTTP request with the name of its host
       probe mail ADDRESS FOLDER takes mail (SMTP) and writes each into a file of the folder
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
		return serve(stop, args[1])
	case len(args) == 3 && args[0] == "mail":
		return mailServer(stop, args[1], args[2])
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

func serve(stop context.Context, port string) error {
	server := http.Server{Addr: ":" + port, Handler: http.HandlerFunc(tellName), ReadHeaderTimeout: 5 * time.Second}
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

// A mail server that takes everything and keeps it: one file per mail, named by the order in which they came.
func mailServer(stop context.Context, address, folder string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go func() {
		<-stop.Done()
		listener.Close()
	}()
	for number := 1; ; number++ {
		connection, err := listener.Accept()
		if stop.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			if err := takeMails(connection, folder, number); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func takeMails(connection net.Conn, folder string, number int) error {
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	client := textproto.NewConn(connection)
	if err := client.PrintfLine("220 probe"); err != nil {
		return err
	}
	for mail := 1; ; {
		line, err := client.ReadLine()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		answer := "250 fine"
		switch strings.ToUpper(line[:min(4, len(line))]) {
		case "DATA":
			if err := client.PrintfLine("354 go on"); err != nil {
				return err
			}
			text, err := client.ReadDotBytes()
			if err != nil {
				return err
			}
			// Readers see whole mails only.
			name := filepath.Join(folder, fmt.Sprintf("%05d-%d.eml", number, mail))
			if err := os.WriteFile(name+".part", text, 0o644); err != nil {
				return err
			}
			if err := os.Rename(name+".part", name); err != nil {
				return err
			}
			mail++
		case "QUIT":
			return client.PrintfLine("221 bye")
		}
		if err := client.PrintfLine("%s", answer); err != nil {
			return err
		}
	}
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
