// The etcd role: one embedded member on loopback, stopped by SIGTERM or SIGINT.
package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
)

func etcd() int {
	flags := flag.NewFlagSet("etcd", flag.ExitOnError)
	data := flags.String("data-dir", "", "the directory that holds the database")
	client := flags.String("listen-client-urls", "http://127.0.0.1:2379", "the URL for clients")
	peer := flags.String("listen-peer-urls", "http://127.0.0.1:2380", "the URL for peers")
	unsafe := flags.Bool("unsafe-no-fsync", false, "do not fsync: for throw-away clusters only")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return 2
	}
	config := embed.NewConfig()
	config.Dir = *data
	config.LogLevel = "error"
	config.UnsafeNoFsync = *unsafe
	for _, each := range []struct {
		text      string
		listen    *[]url.URL
		advertise *[]url.URL
	}{
		{*client, &config.ListenClientUrls, &config.AdvertiseClientUrls},
		{*peer, &config.ListenPeerUrls, &config.AdvertisePeerUrls},
	} {
		parsed, err := url.Parse(each.text)
		if err != nil {
			fmt.Fprintf(os.Stderr, "etcd: cannot parse the URL %q: %v\n", each.text, err)
			return 2
		}
		*each.listen = []url.URL{*parsed}
		*each.advertise = []url.URL{*parsed}
	}
	config.InitialCluster = config.InitialClusterFromName(config.Name)

	server, err := embed.StartEtcd(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd: cannot start:", err)
		return 1
	}
	defer server.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-stop:
		return 0
	case err := <-server.Err():
		fmt.Fprintln(os.Stderr, "etcd: stopped:", err)
		return 1
	}
}
