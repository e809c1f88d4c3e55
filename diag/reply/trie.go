package reply

import (
	"bytes"
	"sort"
)

// trie finds every phrase that begins at a word of a folded text. Built once, then only read.
// A node's children stand side by side, so that their letters can be searched with one IndexByte.
type trie struct {
	letters []byte // letters[n] leads to node n
	nodes   []node
	outs    [][]out
	roots   [256]uint32 // the root's children, found without a search
}

type node struct {
	first uint32 // first child
	count uint16 // number of children
	out   uint32 // index into outs, 0 = none
}

// out is what a phrase means: step `step` of alternative `alt`.
type out struct {
	alt  uint16
	step uint8
}

// sprout is a trie in the making.
type sprout struct {
	next map[byte]*sprout
	outs []out
}

func (s *sprout) add(phrase string, o out) {
	for i := 0; i < len(phrase); i++ {
		if s.next == nil {
			s.next = map[byte]*sprout{}
		}
		n := s.next[phrase[i]]
		if n == nil {
			n = &sprout{}
			s.next[phrase[i]] = n
		}
		s = n
	}
	for _, x := range s.outs {
		if x == o {
			return
		}
	}
	s.outs = append(s.outs, o)
}

// pack lays the sprout out breadth first.
func (s *sprout) pack() trie {
	t := trie{letters: []byte{0}, nodes: []node{{}}, outs: [][]out{nil}}
	queue := []*sprout{s}
	for n := 0; n < len(queue); n++ {
		s := queue[n]
		if len(s.outs) > 0 {
			t.nodes[n].out = uint32(len(t.outs))
			t.outs = append(t.outs, s.outs)
		}
		keys := make([]byte, 0, len(s.next))
		for c := range s.next {
			keys = append(keys, c)
		}
		sort.Slice(keys, func(i, j int) bool { return keys[i] < keys[j] })
		t.nodes[n].first, t.nodes[n].count = uint32(len(queue)), uint16(len(keys))
		for _, c := range keys {
			t.letters = append(t.letters, c)
			t.nodes = append(t.nodes, node{})
			queue = append(queue, s.next[c])
		}
	}
	root := t.nodes[0]
	for i := range uint32(root.count) {
		t.roots[t.letters[root.first+i]] = root.first + i
	}
	return t
}

// step goes from node n along letter c; 0 when no phrase goes on that way.
func (t *trie) step(n uint32, c byte) uint32 {
	x := &t.nodes[n]
	k := bytes.IndexByte(t.letters[x.first:x.first+uint32(x.count)], c)
	if k < 0 {
		return 0
	}
	return x.first + uint32(k)
}
