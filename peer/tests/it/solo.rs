//! An orderer of one node without consensus: it cuts a block for each envelope, signs it and delivers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use carecord_comm::orderer::atomic_broadcast_server::{AtomicBroadcast, AtomicBroadcastServer};
use carecord_comm::{Server, ServerHandle};
use carecord_msp::Signer;
use carecord_proto::block;
use carecord_proto::common::{Block, Envelope, SignatureHeader, Status as Code};
use carecord_proto::etcdraft::BlockMetadata;
use carecord_proto::orderer::{
    BroadcastResponse, DeliverResponse, SeekInfo, deliver_response::Type, seek_position,
};
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// What an orderer does with the next envelope, instead of ordering it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mood {
    #[default]
    Orders,
    Answers(Code, &'static str),
    Breaks,
}

/// The chain and its maker.
#[derive(Clone)]
pub(crate) struct Solo {
    signer: Arc<dyn Signer>,
    blocks: Arc<Mutex<Vec<Block>>>,
    height: Arc<watch::Sender<u64>>,
    mood: Arc<Mutex<Mood>>,
    spoil: Arc<Mutex<Option<fn(&mut Block)>>>,
    forbids: Arc<AtomicBool>,
}

impl Solo {
    pub(crate) fn new(signer: Arc<dyn Signer>) -> Self {
        Self {
            signer,
            blocks: Arc::default(),
            height: Arc::new(watch::Sender::new(0)),
            mood: Arc::default(),
            spoil: Arc::default(),
            forbids: Arc::default(),
        }
    }

    /// Another orderer with the same blocks and the same identity.
    pub(crate) fn twin(&self) -> Self {
        Self { mood: Arc::default(), spoil: Arc::default(), ..self.clone() }
    }

    /// Another orderer that will never have more blocks than there are now: cut off from the others, and not aware of it.
    pub(crate) fn stuck(&self) -> Self {
        Self { height: Arc::new(watch::Sender::new(self.height())), ..self.twin() }
    }

    pub(crate) fn begin(&self, genesis: &Block) {
        self.blocks.lock().unwrap().push(genesis.clone());
        self.height.send_replace(1);
    }

    pub(crate) async fn serve(&self, address: &str) -> ServerHandle {
        let routes = Routes::new(AtomicBroadcastServer::new(self.clone()));
        let mut tries = 0;
        loop {
            match Server::default().bind(address, routes.clone()).await {
                Ok(handle) => return handle,
                Err(error) if tries > 100 => panic!("{address}: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            tries += 1;
        }
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Spoils every block that is delivered from now on.
    pub(crate) fn spoil(&self, how: Option<fn(&mut Block)>) {
        *self.spoil.lock().unwrap() = how;
    }

    /// Whether whoever asks for blocks is refused from the next block on.
    pub(crate) fn forbid(&self, forbids: bool) {
        self.forbids.store(forbids, Ordering::SeqCst);
    }

    pub(crate) fn height(&self) -> u64 {
        *self.height.borrow()
    }

    pub(crate) fn block(&self, number: u64) -> Block {
        self.blocks.lock().unwrap()[number as usize].clone()
    }

    /// Puts envelopes into one block, as they are.
    pub(crate) fn order(&self, envelopes: Vec<Envelope>) {
        let data = envelopes.iter().map(|envelope| envelope.encode_to_vec().into()).collect();
        let mut blocks = self.blocks.lock().unwrap();
        let last = blocks.last().expect("begun");
        let previous = block::header_hash(last.header.as_ref().expect("has one"));
        let number = blocks.len() as u64;
        let mut made = block::new(number, Bytes::copy_from_slice(&previous), data);
        self.sign(&mut made);
        blocks.push(made);
        self.height.send_replace(number + 1);
    }

    fn sign(&self, made: &mut Block) {
        let consenters = BlockMetadata { consenter_ids: vec![1], ..BlockMetadata::default() };
        let value = block::orderer_metadata_value(0, &consenters);
        let nonce = Bytes::from_static(&[1; 24]);
        let header = SignatureHeader { creator: self.signer.serialized(), nonce };
        let header: Bytes = header.encode_to_vec().into();
        let signed = block::signed_bytes(&value, &header, made.header.as_ref().expect("has one"));
        let signature = self.signer.sign(&signed).expect("it can sign");
        block::set_signature(made, value, header, signature.into(), 0);
    }

    async fn deliver_from(self, mut next: u64, out: mpsc::Sender<Result<DeliverResponse, Status>>) {
        let mut height = self.height.subscribe();
        loop {
            if height.wait_for(|height| *height > next).await.is_err() {
                return;
            }
            if self.forbids.load(Ordering::SeqCst) {
                let status = Type::Status(Code::Forbidden as i32);
                let _ = out.send(Ok(DeliverResponse { r#type: Some(status) })).await;
                return;
            }
            let mut block = self.block(next);
            if let Some(spoil) = *self.spoil.lock().unwrap() {
                spoil(&mut block);
            }
            let response = DeliverResponse { r#type: Some(Type::Block(block)) };
            if out.send(Ok(response)).await.is_err() {
                return;
            }
            next += 1;
        }
    }
}

#[tonic::async_trait]
impl AtomicBroadcast for Solo {
    type BroadcastStream = ReceiverStream<Result<BroadcastResponse, Status>>;
    type DeliverStream = ReceiverStream<Result<DeliverResponse, Status>>;

    async fn broadcast(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::BroadcastStream>, Status> {
        let (out, answers) = mpsc::channel(1);
        let (solo, mut envelopes) = (self.clone(), request.into_inner());
        tokio::spawn(async move {
            while let Ok(Some(envelope)) = envelopes.message().await {
                let mood = solo.mood.lock().unwrap().clone();
                let (status, info) = match mood {
                    Mood::Orders => {
                        solo.order(vec![envelope]);
                        (Code::Success, "")
                    }
                    Mood::Answers(status, info) => (status, info),
                    Mood::Breaks => return,
                };
                let answer = BroadcastResponse { status: status as i32, info: info.to_owned() };
                // As a real one, it closes the stream after the first that it refuses.
                if out.send(Ok(answer)).await.is_err() || status != Code::Success {
                    return;
                }
            }
        });
        Ok(ReceiverStream::new(answers).into())
    }

    async fn deliver(
        &self,
        request: Request<Streaming<Envelope>>,
    ) -> Result<Response<Self::DeliverStream>, Status> {
        let envelope = request.into_inner().message().await?.unwrap_or_default();
        let opened = carecord_proto::envelope::Opened::open(&envelope)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let seek = SeekInfo::decode(opened.payload.data).unwrap_or_default();
        let Some(seek_position::Type::Specified(at)) = seek.start.and_then(|start| start.r#type)
        else {
            return Err(Status::invalid_argument("start"));
        };
        let (out, blocks) = mpsc::channel(1);
        tokio::spawn(self.clone().deliver_from(at.number, out));
        Ok(ReceiverStream::new(blocks).into())
    }
}
