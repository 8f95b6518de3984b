// SPDX-License-Identifier: GPL-2.0

// An HTTP server that gives back what is posted, and a client that compares every byte of it.
//
//	http server ADDRESS:PORT
//	http client ADDRESS:PORT CONNECTIONS REQUESTS BYTES
//
// Each of CONNECTIONS clients keeps one connection for its REQUESTS of BYTES random bytes.
package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strconv"
)

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func post(client *http.Client, url string, sent []byte) error {
	answer, err := client.Post(url, "application/octet-stream", bytes.NewReader(sent))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !bytes.Equal(got, sent) {
		return fmt.Errorf("%s, and %d bytes that are not the %d sent", answer.Status, len(got), len(sent))
	}
	return nil
}

func one(url string, seed int, requests int, size int) error {
	// One request follows another sooner than Go has its connection back.
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	random := rand.New(rand.NewSource(int64(seed)))
	sent := make([]byte, size)
	for range requests {
		random.Read(sent)
		if err := post(client, url, sent); err != nil {
			return err
		}
	}
	client.CloseIdleConnections()
	return nil
}

func run(words []string) error {
	switch {
	case len(words) == 2 && words[0] == "server":
		return http.ListenAndServe(words[1], http.HandlerFunc(echo))
	case len(words) == 5 && words[0] == "client":
		var numbers [3]int
		for i, word := range words[2:] {
			number, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			numbers[i] = number
		}
		connections, requests, size := numbers[0], numbers[1], numbers[2]
		ended := make(chan error)
		for seed := range connections {
			go func() { ended <- one("http://"+words[1]+"/", seed, requests, size) }()
		}
		for range connections {
			if err := <-ended; err != nil {
				return err
			}
		}
		fmt.Printf("%d times %d times %d bytes came back\n", connections, requests, size)
		return nil
	}
	return fmt.Errorf("usage: http server ADDRESS:PORT | client ADDRESS:PORT CONNECTIONS REQUESTS BYTES")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
