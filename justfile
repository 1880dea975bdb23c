# The same steps as .ci/run, by name. `just` alone lists them.

default:
    @just --list

# Everything that guards what lands
ci:
    bash .ci/run

# One step or a few: just step fmt test
step +names:
    bash .ci/run {{names}}

# All tests
test:
    cargo test --workspace --locked

# A relay and readers to play with, nothing to prepare
demo:
    cargo run --release -- demo
