package treatment

import (
	"github.com/apache/arrow-go/v18/arrow"
)

// Names of the hidden columns.
const (
	KeyColumn  = "_weir_key"   // the row key: uuid, never null
	BaseColumn = "_weir_base"  // the row key under which a row's unchanged values are found in the store: uuid, null when the row is complete
	SamePrefix = "_weir_same:" // + a column's name: boolean, true where that column's value is unchanged
)

// Batch is the net effect of a run of row changes of one table, treated. Only a Plan fills it. To apply it: make patched rows whole (Patched), delete every row whose
// key is in Deletes, insert Rows.
type Batch struct {
	table    string
	truncate bool
	deletes  arrow.RecordBatch
	rows     arrow.RecordBatch
	patched  []string
	changes  int
	held     map[string]int
}

// Table is the table's schema-qualified name.
func (b *Batch) Table() string { return b.table }

// Truncate tells that everything the table held before is gone; Deletes is then empty.
func (b *Batch) Truncate() bool { return b.truncate }

// Deletes has one column, KeyColumn: the keys of rows to be removed before Rows go in. A key that the table does not hold is no error.
func (b *Batch) Deletes() arrow.RecordBatch { return b.deletes }

// Rows holds KeyColumn and the plan's columns in its order (Plan.Schema). When Patched is not empty, BaseColumn and one SamePrefix column for each
// name in Patched follow.
func (b *Batch) Rows() arrow.RecordBatch { return b.rows }

// Patched names the columns of which some rows keep the value that the store holds under BaseColumn (as it was before this batch).
func (b *Batch) Patched() []string { return b.patched }

// Changes is the number of production's row changes that the batch stands for.
func (b *Batch) Changes() int { return b.changes }

// Held is, by column, how many values were held back because no store can hold them exactly.
func (b *Batch) Held() map[string]int { return b.held }

// Release gives the batch's memory back; the batch must not be used afterwards.
func (b *Batch) Release() {
	b.deletes.Release()
	b.rows.Release()
}
