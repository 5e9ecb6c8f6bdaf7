//! Many idle sockets in one stream, and signals paced among a few of them: what does an edge cost?
//!
//! ```text
//! cargo run --release -p meshedflow-edge --example idle -- [sockets] [relays a second] [seconds]
//! ```
//!
//! The edge runs in a process of its own, with its default bounds (but for those on connections), as `run` runs it.
//! This process opens the sockets (10,000 by default) from addresses in 127.0.0.0/8, four sockets an address, lets all
//! join one stream, and then has random pairs exchange an offer of about 1,000 bytes, its answer and a candidate, at
//! 3,600 relayed messages a second by default. It prints the edge's memory per socket, CPU time per relayed message
//! (all threads, what the idle sockets cost subtracted and not), latency from the sender's write to the recipient's
//! read, what a plain TCP echo costs at the same pace on the machine as it is now, and how the CPU time of a relay
//! splits. Nothing leaves this machine.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

mod echo;
mod load;
mod process;
mod server;
mod split;

use std::time::Duration;

use process::Process;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u32| arguments.get(at).map_or(Ok(default), |text| text.parse());
    rlimit::increase_nofile_limit(u64::MAX)?;
    match arguments.first().map(String::as_str) {
        Some("serve") => return server::serve(),
        Some("echo") => return echo::serve(),
        _ => {}
    }
    let (sockets, rate, seconds) = (number(0, 10_000)?, number(1, 3_600)?, number(2, 10)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(sockets as usize, rate, Duration::from_secs(seconds.into())))
}

async fn measure(sockets: usize, rate: u32, time: Duration) -> Result<(), Failure> {
    let edge = Process::start("serve")?;
    let bare_kib = edge.rss_kib()?;
    let mut load = load::Load::open(edge.address, sockets).await?;
    println!("{} sockets joined one stream", load.joined().await?);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let kib = edge.rss_kib()? - bare_kib;
    println!("memory: {:.2} KiB a socket (bare process {bare_kib:.0} KiB)", kib / sockets as f64);

    let idle_us = edge.cpu_us_during(load.pace(0, time)).await?;
    let (relayed_before, before) = (load.relayed(), edge.metrics().await?);
    let busy_us = edge.cpu_us_during(load.pace(rate, time)).await?;
    let relayed = (load.relayed() - relayed_before) as f64;
    println!("idle: {:.1} ms CPU a second", idle_us / 1_000.0 / time.as_secs_f64());
    println!("paced: {relayed:.0} messages in {} s", time.as_secs());
    println!(
        "CPU: {:.1} us a message, {:.1} without what idling costs",
        busy_us / relayed,
        (busy_us - idle_us) / relayed
    );
    println!("latency: {}", load.latency());
    println!(
        "inside the edge: {:.1} us from sender's task to recipient's task",
        edge.relay_us(&before).await?
    );
    // Its descriptors are needed for what follows.
    drop(load);
    println!(
        "a plain TCP echo of 1,000 bytes, now, at this pace: {:.1} us CPU",
        echo::measure(rate, time).await?
    );
    split::print();
    println!("refusals: {}", edge.refusals().await?);
    Ok(())
}
