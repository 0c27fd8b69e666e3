package treatment

const fromStore int32 = -1

// net is the net effect of a run of changes: which keys go, which rows come, and for rows with unchanged values, where each of those is found.
type net struct {
	deletes []int32 // changes whose key must be removed first
	rows    []int32 // the change that holds the last version of each row that lives
	base    []int32 // for each row: the change whose key the store knows the row by, -1 when the row is complete; nil when all are
	from    map[int][]int32
	cols    int
}

func (n *net) patched() bool { return n.base != nil }

// pick returns, for each row, the change from which the column's value is taken. For a value that the store holds any change will do: the flag tells.
func (n *net) pick(col int) []int32 {
	src, ok := n.from[col]
	if !ok {
		return n.rows
	}
	pick := make([]int32, len(src))
	for i, s := range src {
		if s == fromStore {
			s = n.rows[i]
		}
		pick[i] = s
	}
	return pick
}

// fromStore returns, for each row, whether the column keeps the value that the store holds; nil when no row does.
func (n *net) fromStore(col int) []bool {
	src, ok := n.from[col]
	if !ok {
		return nil
	}
	flags, any := make([]bool, len(src)), false
	for i, s := range src {
		flags[i] = s == fromStore
		any = any || flags[i]
	}
	if !any {
		return nil
	}
	return flags
}

// life is what became of one key within the run.
type life struct {
	alive bool
	row   int32
	base  int32           // the change whose key the store holds the row under before the run; -1: it came within the run
	from  map[int32]int32 // column → the change that has its value, or fromStore; only for columns that were unchanged
	gone  bool            // the key is already among the deletes
}

// collapse folds the changes of a run into their net effect, in the order in which production made them.
func collapse(r *rows, keys []byte) net {
	n := net{cols: len(r.cols)}
	if onlyInserts(r.ops) {
		n.rows = make([]int32, len(r.ops))
		for i := range n.rows {
			n.rows[i] = int32(i)
		}
		return n
	}
	same := columnsWithSame(r)
	lives := make(map[[16]byte]*life, len(r.ops))
	order := make([]*life, 0, len(r.ops))
	var moved *life
	for i := range r.ops {
		at := int32(i)
		key := [16]byte(keys[16*i:])
		l := lives[key]
		known := l != nil
		if !known {
			l = &life{base: fromStore}
			lives[key] = l
			order = append(order, l)
		}
		switch r.ops[i] {
		case Insert:
			l.alive, l.row, l.base, l.from = true, at, fromStore, nil
		case Update:
			before := life{base: at}
			if known {
				before = *l
			}
			n.remove(l, at, !known)
			l.succeed(r, same, at, before)
		case Delete:
			n.remove(l, at, !known)
			l.alive = false
		case MoveFrom:
			moved = &life{base: at}
			if known {
				copied := *l
				moved = &copied
			}
			n.remove(l, at, !known)
			l.alive = false
		case MoveTo:
			before := life{base: fromStore}
			if moved != nil {
				before = *moved
			}
			l.succeed(r, same, at, before)
			moved = nil
		}
	}
	n.gather(order)
	return n
}

// remove notes that the store's row of the key must go; only a key that the store may know of can be there.
func (n *net) remove(l *life, at int32, storeMayHold bool) {
	if storeMayHold && !l.gone {
		n.deletes = append(n.deletes, at)
		l.gone = true
	}
}

// succeed makes the change at the row's last version; its unchanged values are where the version before had them.
func (l *life) succeed(r *rows, same []int32, at int32, before life) {
	var from map[int32]int32
	for _, c := range same {
		if r.cols[c].cells[at] != cellSame {
			continue
		}
		if from == nil {
			from = make(map[int32]int32, len(same))
		}
		src, inherited := before.from[c]
		switch {
		case inherited:
		case before.alive:
			src = before.row
		default:
			src = fromStore
		}
		from[c] = src
	}
	l.alive, l.row, l.base, l.from = true, at, before.base, from
}

func (n *net) gather(order []*life) {
	for _, l := range order {
		if !l.alive {
			continue
		}
		at := len(n.rows)
		n.rows = append(n.rows, l.row)
		needsStore := false
		for c, src := range l.from {
			if n.from == nil {
				n.from = map[int][]int32{}
			}
			col := n.from[int(c)]
			for len(col) < at {
				col = append(col, n.rows[len(col)])
			}
			n.from[int(c)] = append(col, src)
			needsStore = needsStore || src == fromStore
		}
		if needsStore {
			for len(n.base) < at {
				n.base = append(n.base, fromStore)
			}
			n.base = append(n.base, l.base)
		}
	}
	for c, col := range n.from {
		for len(col) < len(n.rows) {
			col = append(col, n.rows[len(col)])
		}
		n.from[c] = col
	}
	if n.base != nil {
		for len(n.base) < len(n.rows) {
			n.base = append(n.base, fromStore)
		}
	}
}

func onlyInserts(ops []Op) bool {
	for _, op := range ops {
		if op != Insert {
			return false
		}
	}
	return true
}

func columnsWithSame(r *rows) []int32 {
	var same []int32
	for c := range r.cols {
		for _, cell := range r.cols[c].cells {
			if cell == cellSame {
				same = append(same, int32(c))
				break
			}
		}
	}
	return same
}
