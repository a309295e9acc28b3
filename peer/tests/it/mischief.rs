//! A chaincode that does on request what a chaincode should not.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use carecord_chaincode::{Chaincode, Response, Stub};

pub(crate) struct Mischief(pub(crate) &'static str);

static TURN: AtomicU64 = AtomicU64::new(0);

impl Chaincode for Mischief {
    fn name(&self) -> &str {
        self.0
    }

    fn invoke(&self, stub: &mut dyn Stub) -> Response {
        let args: Vec<String> =
            stub.args().iter().map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
        let arg = |index: usize| args.get(index).map(String::as_str).unwrap_or_default();
        match arg(0) {
            "put" => {
                stub.put_state(arg(1), Bytes::from(arg(2).to_owned())).expect("it can write");
                Response::success(Bytes::from_static(b"done"))
            }
            "put large" => {
                stub.put_state(arg(1), Bytes::from(vec![1; 3 << 20])).expect("it can write");
                Response::success(Bytes::new())
            }
            "get" => match stub.get_state(arg(1)) {
                Ok(value) => Response::success(value.unwrap_or_default()),
                Err(error) => Response::error(error.to_string()),
            },
            "event" => {
                stub.put_state(arg(1), Bytes::from_static(b"x")).expect("it can write");
                stub.set_event(arg(1), Bytes::from(arg(2).to_owned())).expect("it can");
                Response::success(Bytes::new())
            }
            "refuse" => Response { status: 404, message: "not here".into(), payload: Bytes::new() },
            "fail" => Response::error("it went wrong"),
            "panic" => panic!("as asked"),
            "differ" => {
                let turn = TURN.fetch_add(1, Ordering::Relaxed).to_string();
                stub.put_state("turn", Bytes::from(turn)).expect("it can write");
                Response::success(Bytes::new())
            }
            "linger" => {
                for _ in 0..100 {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    if let Err(error) = stub.get_state("x") {
                        return Response::error(error.to_string());
                    }
                }
                Response::success(Bytes::new())
            }
            "call" => {
                let rest = stub.args()[3..].to_vec();
                stub.invoke_chaincode(arg(1), rest, arg(2))
            }
            "transient" => {
                let value = stub.transient().get("secret").cloned();
                Response::success(value.unwrap_or_default())
            }
            "put private" => {
                let value = stub.transient().get("value").cloned().unwrap_or_default();
                let key = private_key(stub, arg(2));
                done(stub.put_private_data(arg(1), &key, value))
            }
            "get private" => match stub.get_private_data(arg(1), arg(2)) {
                Ok(value) => Response::success(value.unwrap_or_default()),
                Err(error) => Response::error(error.to_string()),
            },
            "copy private" => match stub.get_private_data(arg(1), arg(2)) {
                Ok(value) => done(stub.put_private_data(arg(1), arg(3), value.unwrap_or_default())),
                Err(error) => Response::error(error.to_string()),
            },
            "private hash" => match stub.get_private_data_hash(arg(1), arg(2)) {
                Ok(value) => Response::success(value.unwrap_or_default()),
                Err(error) => Response::error(error.to_string()),
            },
            "private range" => match stub.private_range(arg(1), "", "", 10) {
                Ok(rows) => {
                    let keys: Vec<_> = rows.into_iter().map(|row| row.key).collect();
                    Response::success(keys.join(","))
                }
                Err(error) => Response::error(error.to_string()),
            },
            "delete private" => done(stub.del_private_data(arg(1), arg(2))),
            "purge private" => {
                let key = private_key(stub, arg(2));
                done(stub.purge_private_data(arg(1), &key))
            }
            "range" => match stub.range(arg(1), arg(2), 3) {
                Ok(rows) => {
                    let keys: Vec<_> = rows.into_iter().map(|row| row.key).collect();
                    Response::success(keys.join(","))
                }
                Err(error) => Response::error(error.to_string()),
            },
            other => Response::error(format!("no function {other}")),
        }
    }
}

/// The key in the transient map, which no block has, or else that of the arguments.
fn private_key(stub: &dyn Stub, argument: &str) -> String {
    let key = stub.transient().get("key").map(|key| String::from_utf8_lossy(key).into_owned());
    key.unwrap_or_else(|| argument.to_owned())
}

fn done(result: Result<(), carecord_chaincode::StubError>) -> Response {
    match result {
        Ok(()) => Response::success(Bytes::new()),
        Err(error) => Response::error(error.to_string()),
    }
}
