from kit.ingest.store import Store
from kit.sightings import SightingsTally
from tests.views.test_issues import failed, send


def test_events_of_an_issue_are_counted_once_as_they_arrive(store: Store) -> None:
    tally = SightingsTally(store)
    assert tally.of(failed("KeyError"), "game-engine") is None
    send(store, failed("KeyError"), failed("TypeError"))
    tally.refresh()
    one = tally.of(failed("KeyError"), "game-engine")
    assert one is not None
    assert (one.count, one.first_at) == (1, one.last_at)
    again = failed("KeyError", event_id="a" * 32)
    send(store, again, again, failed("KeyError", "lose"))
    # What is added as it arrives is not counted again when the store is read.
    (_, *twice) = store.items(type="event", limit=3)
    tally.add(twice[0])
    tally.refresh()
    two = tally.of(failed("KeyError"), "game-engine")
    assert two is not None
    assert two.count == 2
    assert two.first_at == one.first_at < two.last_at
    # Issues belong to a project.
    assert tally.of(failed("KeyError"), "payment") is None


def test_of_a_store_that_was_closed_it_says_what_it_knows(store: Store) -> None:
    tally = SightingsTally(store)
    send(store, failed("KeyError"))
    tally.refresh()
    store.close()
    seen = tally.of(failed("KeyError"), "game-engine")
    assert seen is not None
    assert seen.count == 1
