//! The built bootstraps, run as Lambda runs them: started by the runtime interface emulator, called with the events of
//! an HTTP API, storing in an embedded engine behind the DynamoDB API.
//!
//! `cargo test` builds no bootstraps, so these tests are told where they are, and are skipped aloud otherwise:
//!
//! | variable | meaning |
//! |---|---|
//! | `TESSERA_LAMBDA_DIR` | folder with `<function>/bootstrap`, built for this machine |
//! | `TESSERA_RIE` | the emulator; the package `aws-sam-cli` brings it |
//! | `TESSERA_LAMBDA_REQUIRED` | with `CI`: being skipped is a failure |
//! | `TESSERA_WEIGHT` | the bootstraps are a release for x86-64: what they weigh is compared with `docs/weight.json` |
//! | `TESSERA_WEIGHT_REQUIRED` | with `CI`: being skipped is a failure |
//! | `TESSERA_SAM` | the command `sam`, for the tests with containers |
//! | `DOCKER_HOST`, `TESSERA_DOCKER_GATEWAY` | the Docker engine and where its containers find this machine; `tests/docker.sh` says |
//! | `TESSERA_SAM_REQUIRED` | with `CI`: being skipped is a failure |

mod emulator;
mod gateway;
mod journeys;
mod sam;
mod starts;
mod twice;
mod weight;
