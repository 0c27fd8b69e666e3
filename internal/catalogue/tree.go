package catalogue

// The tree of a statement, as far as clients' questions about a catalogue go. What has no node here is not recognised.
type (
	expr interface{}

	literal struct {
		kind literalKind
		text string
	}
	parameter struct{ number int }
	// column is a (qualified) name; star is t.* or *.
	column struct {
		parts []string
		star  bool
	}
	call struct {
		schema, name string
		args         []expr
		star         bool // count(*)
		distinct     bool
		order        []ordering
		filter       expr
		over         *window
		bare         bool // current_user and the like, without parentheses
	}
	window struct {
		name      string
		partition []expr
		order     []ordering
	}
	cast struct {
		of expr
		to typeName
	}
	binary struct {
		op          string
		left, right expr
	}
	unary struct {
		op string
		of expr
	}
	// test is x IS [NOT] what; what is null, true, false, unknown or distinct (from other).
	test struct {
		of, other expr
		what      string
		not       bool
	}
	like struct {
		of, pattern, escape expr
		insensitive, not    bool
	}
	between struct {
		of, low, high expr
		not           bool
	}
	in struct {
		of   expr
		list []expr
		sub  *query
		not  bool
	}
	// quantified is x op ANY (…) or x op ALL (…).
	quantified struct {
		of    expr
		op    string
		all   bool
		array expr
		sub   *query
	}
	choice struct {
		of        expr
		when      [][2]expr
		otherwise expr
	}
	subquery struct {
		of     *query
		exists bool
		array  bool
	}
	listing   struct{ items []expr }
	row       struct{ items []expr }
	subscript struct {
		of, low, high expr
		slice         bool
	}
	field struct {
		of   expr
		name string
	}

	typeName struct {
		schema, name string
		modifiers    []string
		array        bool
	}
	ordering struct {
		by    expr
		desc  bool
		nulls string // "", first, last
	}

	query struct {
		with          []named
		recursive     bool
		body          expr // *selection, *combination, *values, *query
		order         []ordering
		limit, offset expr
	}
	named struct {
		name    string
		columns []string
		of      *query
	}
	combination struct {
		op          string // UNION, EXCEPT, INTERSECT
		all         bool
		left, right expr
	}
	values    struct{ rows [][]expr }
	selection struct {
		distinct   bool
		distinctOn []expr
		items      []item
		from       []expr // *table, *derived, *function, *join
		where      expr
		group      []expr
		having     expr
		windows    []namedWindow
	}
	namedWindow struct {
		name string
		of   *window
	}
	item struct {
		of    expr
		alias string
	}

	aliased struct {
		alias   string
		columns []string
	}
	table struct {
		schema, name string
		aliased
	}
	derived struct {
		of *query
		aliased
	}
	function struct {
		of         *call
		ordinality bool
		aliased
	}
	join struct {
		kind        string // INNER, LEFT, RIGHT, FULL, CROSS
		natural     bool
		left, right expr
		on          expr
		using       []string
	}
)

type literalKind uint8

const (
	literalNull literalKind = iota
	literalTrue
	literalFalse
	literalNumber
	literalString
)
