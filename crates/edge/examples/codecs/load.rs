//! The same load for each codec.

use std::net::{Ipv4Addr, SocketAddr};

use futures_util::future::try_join_all;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use crate::Failure;
use crate::process::Process;

const MESSAGE_BYTES: usize = 1_000;

/// Sockets that open or echo at once.
const ABREAST: usize = 64;

type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn compare(sockets: usize, echoes: usize, rounds: usize) -> Result<(), Failure> {
    println!("{sockets} sockets, {echoes} echoes of {MESSAGE_BYTES} bytes, {ABREAST} at a time");
    println!("| codec | KiB a socket, idle | us CPU an echo |\n|---|---|---|");
    for codec in ["edge", "tokio-websockets"].repeat(rounds) {
        let (kib, us) = measure(codec, sockets, echoes).await?;
        println!("| {codec} | {kib:.2} | {us:.2} |");
    }
    Ok(())
}

async fn measure(codec: &str, sockets: usize, echoes: usize) -> Result<(f64, f64), Failure> {
    let server = Process::start(codec)?;
    let bare_kib = server.rss_kib()?;
    let mut all = Vec::with_capacity(sockets);
    for first in (0..sockets).step_by(ABREAST) {
        let opening = (first..sockets.min(first + ABREAST)).map(|number| connect(server.address, number));
        all.extend(try_join_all(opening).await?);
    }
    echo_all(&mut all, sockets).await?;
    let kib = (server.rss_kib()? - bare_kib) / sockets as f64;
    let before_us = server.cpu_us()?;
    echo_all(&mut all, echoes).await?;
    Ok((kib, (server.cpu_us()? - before_us) / echoes as f64))
}

/// Four sockets an address, another /16 with each process.
async fn connect(server: SocketAddr, number: usize) -> Result<Socket, Failure> {
    let part = |n: usize| u8::try_from(n % 250).unwrap_or(0);
    let process = part(std::process::id() as usize) | 1;
    let source = Ipv4Addr::new(127, process, part(number / 1_000), 1 + part(number / 4));
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(ClientBuilder::new().uri(&format!("ws://{server}/"))?.connect_on(stream).await?.0)
}

async fn echo_all(sockets: &mut [Socket], echoes: usize) -> Result<(), Failure> {
    let mut left = echoes;
    while left > 0 {
        for chunk in sockets.chunks_mut(ABREAST) {
            let count = chunk.len().min(left);
            try_join_all(chunk.iter_mut().take(count).map(echo_once)).await?;
            left -= count;
        }
    }
    Ok(())
}

async fn echo_once(socket: &mut Socket) -> Result<(), Failure> {
    socket.send(Message::text("x".repeat(MESSAGE_BYTES))).await?;
    let echoed = socket.next().await.ok_or("it closed")??;
    if echoed.as_text().is_none_or(|text| text.len() != MESSAGE_BYTES) {
        return Err("expected the message itself".into());
    }
    Ok(())
}
