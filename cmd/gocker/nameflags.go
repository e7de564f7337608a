package main

import (
	"fmt"

	"gocker/container"

	"github.com/spf13/pflag"
)

// nameFlags are the flags of run and create by which names become addresses in
// a container.
type nameFlags struct {
	domainname                 string
	addHost                    []string
	dns, dnsSearch, dnsOptions []string
}

func (f *nameFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.domainname, "domainname", "", "Container NIS domain name")
	flags.StringArrayVar(&f.addHost, "add-host", nil, "Add a custom host-to-IP mapping (host:ip)")
	flags.StringArrayVar(&f.dns, "dns", nil, "Set custom DNS servers")
	flags.StringArrayVar(&f.dnsSearch, "dns-search", nil, "Set custom DNS search domains")
	flags.StringArrayVar(&f.dnsOptions, "dns-option", nil, "Set DNS options")
	flags.StringArrayVar(&f.dnsOptions, "dns-opt", nil, "Set DNS options")
	_ = flags.MarkHidden("dns-opt")
}

// apply adds what the flags say to a container's configuration.
func (f *nameFlags) apply(o *container.Options) error {
	o.Config.Domainname = f.domainname
	o.HostConfig.DnsOptions = f.dnsOptions
	for _, list := range []struct {
		flag   string
		values []string
		parse  func(string) (string, error)
		to     *[]string
	}{
		{"add-host", f.addHost, container.ParseExtraHost, &o.HostConfig.ExtraHosts},
		{"dns", f.dns, container.ParseDNS, &o.HostConfig.Dns},
		{"dns-search", f.dnsSearch, container.ParseDNSSearch, &o.HostConfig.DnsSearch},
	} {
		for _, v := range list.values {
			parsed, err := list.parse(v)
			if err != nil {
				return fmt.Errorf("invalid argument %q for \"--%s\" flag: %w", v, list.flag, err)
			}
			*list.to = append(*list.to, parsed)
		}
	}
	return nil
}
