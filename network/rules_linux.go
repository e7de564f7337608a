package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gocker/container/step"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"
)

// Rules are the nftables rules of a bridge, in a table that has its name. See
// nft(8).
type Rules struct {
	Bridge string
	Subnet netip.Prefix
}

// Shell prints nft.
func (s Rules) Shell() string {
	lines := []string{
		"add table ip T",
		"flush table ip T",
		"add chain ip T forward { type filter hook forward priority filter; }",
		`add rule ip T forward iifname != "T" oifname "T" ct state invalid,new drop`,
		"add chain ip T postrouting { type nat hook postrouting priority srcnat; }",
		`add rule ip T postrouting ip saddr ` + s.Subnet.String() + ` oifname != "T" masquerade`,
	}
	return "nft " + step.Quote(strings.ReplaceAll(strings.Join(lines, "; "), "T", s.Bridge))
}

// Do makes the table, or what is missing of it, in one transaction.
func (s Rules) Do() error {
	c, err := nftables.New()
	if err != nil {
		return needsNFTables(err)
	}
	t := c.AddTable(s.table())
	c.FlushTable(t)
	forward := c.AddChain(&nftables.Chain{
		Name: "forward", Table: t, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	postrouting := c.AddChain(&nftables.Chain{
		Name: "postrouting", Table: t, Type: nftables.ChainTypeNAT,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	c.AddRule(&nftables.Rule{Table: t, Chain: forward, Exprs: join(
		matchName(expr.MetaKeyIIFNAME, expr.CmpOpNeq, s.Bridge),
		matchName(expr.MetaKeyOIFNAME, expr.CmpOpEq, s.Bridge),
		matchState(expr.CtStateBitINVALID|expr.CtStateBitNEW),
		[]expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}},
	)})
	c.AddRule(&nftables.Rule{Table: t, Chain: postrouting, Exprs: join(
		matchSource(s.Subnet),
		matchName(expr.MetaKeyOIFNAME, expr.CmpOpNeq, s.Bridge),
		[]expr.Any{&expr.Masq{}},
	)})
	return needsNFTables(c.Flush())
}

// Undo removes the table with all that is in it.
func (s Rules) Undo() step.Step { return removeRules(s) }

func (s Rules) table() *nftables.Table {
	return &nftables.Table{Family: nftables.TableFamilyIPv4, Name: s.Bridge}
}

type removeRules Rules

// Shell prints nft. A table that is gone is added first.
func (s removeRules) Shell() string {
	return "nft " + step.Quote(fmt.Sprintf("add table ip %[1]s; delete table ip %[1]s", s.Bridge))
}

// Do removes the table.
func (s removeRules) Do() error {
	c, err := nftables.New()
	if err != nil {
		return needsNFTables(err)
	}
	t := c.AddTable(Rules(s).table())
	c.DelTable(t)
	return needsNFTables(c.Flush())
}

// Undo is nil.
func (s removeRules) Undo() step.Step { return nil }

// Firewall is what is already there of a bridge's rules.
type Firewall struct {
	Rules bool   // the bridge's own table
	Walls []Wall // chains of others that let nothing of the bridge through
}

// Wall is a chain of another's that drops what is forwarded unless a rule of it
// says otherwise. What one chain accepts another may still drop: so that packets
// of the bridge pass there has to be said there.
type Wall struct {
	Family nftables.TableFamily // ip or inet
	Table  string
	Chain  string
}

// LookAtFirewall asks the caller's network namespace for the rules of a bridge.
func LookAtFirewall(bridge string) (Firewall, error) {
	var f Firewall
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return f, needsNFTables(err)
	}
	defer func() { _ = c.CloseLasting() }()
	chains, err := c.ListChains()
	if err != nil {
		return f, needsNFTables(err)
	}
	for _, chain := range chains {
		// Made in one transaction: with one chain the table is complete.
		f.Rules = f.Rules || chain.Table.Name == bridge && chain.Table.Family == nftables.TableFamilyIPv4
		if !drops(chain) {
			continue
		}
		passes, err := passRules(c, chain, bridge)
		if err != nil {
			return f, needsNFTables(err)
		}
		if len(passes) == 0 {
			f.Walls = append(f.Walls, Wall{chain.Table.Family, chain.Table.Name, chain.Name})
		}
	}
	return f, nil
}

func drops(c *nftables.Chain) bool {
	family := c.Table.Family == nftables.TableFamilyIPv4 || c.Table.Family == nftables.TableFamilyINet
	return family && c.Hooknum != nil && *c.Hooknum == *nftables.ChainHookForward &&
		c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop
}

// passRules finds the rules of a [Pass] in a chain, by their comment. A chain that
// has gone since it was listed has none.
func passRules(c *nftables.Conn, chain *nftables.Chain, bridge string) ([]*nftables.Rule, error) {
	rules, err := c.GetRules(chain.Table, chain)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	ours := comment(bridge)
	return slices.DeleteFunc(rules, func(r *nftables.Rule) bool { return !bytes.Equal(r.UserData, ours) }), err
}

// Pass lets the packets of a bridge through a wall: what comes from it, and the
// answers to that. The rules have its name as comment.
type Pass struct {
	Wall   Wall
	Bridge string
}

// Shell prints nft.
func (s Pass) Shell() string {
	family := "ip"
	if s.Wall.Family == nftables.TableFamilyINet {
		family = "inet"
	}
	chain := fmt.Sprintf("insert rule %s %s %s", family, s.Wall.Table, s.Wall.Chain)
	return "nft " + step.Quote(fmt.Sprintf(
		`%[1]s oifname "%[2]s" ct state established,related accept comment "%[2]s"; %[1]s iifname "%[2]s" accept comment "%[2]s"`, chain, s.Bridge))
}

// Do inserts the rules.
func (s Pass) Do() error {
	c, err := nftables.New()
	if err != nil {
		return needsNFTables(err)
	}
	t := &nftables.Table{Family: s.Wall.Family, Name: s.Wall.Table}
	accept := []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	for _, exprs := range [][]expr.Any{
		join(matchName(expr.MetaKeyOIFNAME, expr.CmpOpEq, s.Bridge), matchState(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept),
		join(matchName(expr.MetaKeyIIFNAME, expr.CmpOpEq, s.Bridge), accept),
	} {
		c.InsertRule(&nftables.Rule{
			Table: t, Chain: &nftables.Chain{Name: s.Wall.Chain, Table: t}, Exprs: exprs,
			UserData: comment(s.Bridge),
		})
	}
	return needsNFTables(c.Flush())
}

// Undo is nil: see [Bridge.Remove].
func (s Pass) Undo() step.Step { return nil }

// comment is a rule's comment as nft(8) stores it.
func comment(text string) []byte { return userdata.AppendString(nil, userdata.TypeComment, text) }

// removePasses removes the rules of a bridge from all chains of others. Whoever
// loads those anew may be as fast.
func removePasses(bridge string) error {
	var err error
	for range 5 {
		if err = removePassesOnce(bridge); !errors.Is(err, unix.ENOENT) {
			break
		}
	}
	return needsNFTables(err)
}

func removePassesOnce(bridge string) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	chains, err := c.ListChains()
	if err != nil {
		return err
	}
	found := false
	for _, chain := range chains {
		if chain.Hooknum == nil || *chain.Hooknum != *nftables.ChainHookForward || chain.Table.Name == bridge {
			continue
		}
		rules, err := passRules(c, chain, bridge)
		if err != nil {
			return err
		}
		for _, r := range rules {
			found = true
			if err := c.DelRule(r); err != nil {
				return err
			}
		}
	}
	if !found {
		return nil
	}
	return c.Flush()
}

// needsNFTables tells of a kernel that has no nftables. That is asked for by
// netlink(7), which then knows no such protocol or no such subsystem.
func needsNFTables(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("nftables: %w (the kernel may lack it: modprobe nf_tables, or --network none or host)", err)
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("nftables: %w (the kernel may lack a part of it: modprobe nft_chain_nat nft_masq nft_ct, or --network none or host)", err)
	}
	return fmt.Errorf("nftables: %w", err)
}

func join(parts ...[]expr.Any) []expr.Any {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// matchName compares the name of the interface by which a packet comes or goes.
func matchName(key expr.MetaKey, op expr.CmpOp, name string) []expr.Any {
	var b [unix.IFNAMSIZ]byte
	copy(b[:], name)
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: b[:]}}
}

// matchState takes packets of connections in one of some states.
func matchState(states uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(states), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// matchSource takes packets that come from a subnet.
func matchSource(p netip.Prefix) []expr.Any {
	const source, size = 12, 4 // of an IPv4 header
	addr := p.Addr().As4()
	load := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: source, Len: size}
	if p.Bits()%8 == 0 { // as nft has it: it loads the bytes that count
		load.Len = uint32(p.Bits() / 8)
		return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr[:load.Len]}}
	}
	mask := binary.BigEndian.AppendUint32(nil, ^uint32(0)<<(32-p.Bits()))
	return []expr.Any{
		load,
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: addr[:]},
	}
}
