// Package storetest owns the conformance suite of store.Store: a test for each sentence of the contract, run by every implementation against the real thing.
//
// It will not mock anything, and it knows an implementation only by the interface.
package storetest

import (
	"testing"

	"github.com/weirproject/weir/internal/store"
)

// Open opens the store in dir, and makes it when it isn't there. The suite closes it.
type Open func(t testing.TB, dir string) store.Store

// Crasher is a store whose processes can be killed; the crash tests run against those that have it.
type Crasher interface {
	EnginePIDs() []int
}

// Run runs the suite. Each test has a folder of its own.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, open Open)
	}{
		{"PrepareMakesEmptyTables", prepareMakesEmptyTables},
		{"PrepareKeepsTablesOfTheSameHash", prepareKeepsTablesOfTheSameHash},
		{"PrepareRemovesOthersWithTheirBytes", prepareRemovesOthersWithTheirBytes},
		{"PrepareRefusesAnotherSource", prepareRefusesAnotherSource},
		{"PrepareRefusesNamesThatTheStoreCannotHold", prepareRefusesNames},
		{"TheVersionChangesWithTheTables", versionChanges},
		{"EveryTypeComesBackUnchanged", everyTypeComesBackUnchanged},
		{"EachFileKeepsItsColumnsOnly", eachFileKeepsItsColumnsOnly},
		{"ChangesAddUp", changesAddUp},
		{"AnUnchangedValueOfALostRowIsAnError", lostBaseIsAnError},
		{"TruncateEmptiesTheTable", truncateEmptiesTheTable},
		{"ResetEmptiesAndCopiedCompletes", resetEmptiesAndCopiedCompletes},
		{"RollbackDropsEverything", rollbackDropsEverything},
		{"ARepeatedMarkIsSkipped", repeatedMarkIsSkipped},
		{"AnEmptyMarkKeepsTheMarks", emptyMarkKeepsTheMarks},
		{"ClosedAndOpenedAgainItHoldsTheSame", closedAndOpenedAgain},
		{"QueryIsReadOnly", queryIsReadOnly},
		{"QueryBindsArgumentsAndStreams", queryBindsAndStreams},
		{"DescribeTellsTypesAndRunsNothing", describeTells},
		{"QueryErrorsTellNoValues", queryErrorsTellNoValues},
		{"APinDoesNotMove", pinDoesNotMove},
		{"EraseRemovesRowsAndBytes", eraseRemovesRowsAndBytes},
		{"RewriteRemovesBytesOfRemovedRows", rewriteRemovesBytes},
		{"FactsAreDerivedWhenTheirInputsAreThere", factsAreDerived},
		{"FollowedFactsEqualDerivedOnes", followedFactsEqualDerived},
		{"ACrashLosesNothingCommitted", crashLosesNothing},
		{"ACrashWhileWritingAnewLosesNothing", crashWhileRewriting},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open) })
	}
}
