//! The least a relay can cost on this machine now: a plain TCP echo, one read and one write, at the same pace.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;
use crate::process::Process;

const SOCKETS: usize = 1_000;
const BYTES: usize = 1_000;

/// The echo's process, with a runtime like the edge's.
pub(crate) fn serve() -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        println!("{address} {address}");
        tokio::select! {
            () = crate::server::parent_gone() => {}
            () = accept(listener) => {}
        }
        Ok(())
    })
}

async fn accept(listener: TcpListener) {
    while let Ok((mut socket, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 2 * BYTES];
            while let Ok(n @ 1..) = socket.read(&mut buffer).await {
                let Some(read) = buffer.get(..n) else { return };
                if socket.write_all(read).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// CPU time of an echo in microseconds, at `rate` a second.
pub(crate) async fn measure(rate: u32, time: Duration) -> Result<f64, Failure> {
    let process = Process::start("echo")?;
    let mut sockets = Vec::with_capacity(SOCKETS);
    for _ in 0..SOCKETS {
        sockets.push(connect(process.address).await?);
    }
    let mut echoes = 0_u32;
    let pace = async {
        let (mut tick, ends) = (tokio::time::interval(Duration::from_millis(1)), Instant::now() + time);
        let mut owed = 0.0;
        while Instant::now() < ends {
            tick.tick().await;
            owed += f64::from(rate) / 1_000.0;
            while owed >= 1.0 {
                owed -= 1.0;
                echoes += 1;
                let at = echoes as usize * 7 % SOCKETS;
                if let Some(socket) = sockets.get_mut(at) {
                    socket.write_all(&[b'x'; BYTES]).await.ok();
                }
            }
            drain(&mut sockets);
        }
    };
    let cpu_us = process.cpu_us_during(pace).await?;
    Ok(cpu_us / f64::from(echoes))
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

fn drain(sockets: &mut [TcpStream]) {
    let mut buffer = [0; 4 * BYTES];
    for socket in sockets {
        while socket.try_read(&mut buffer).is_ok_and(|n| n > 0) {}
    }
}
