//! A local mirror stands in for the network; the real files are used where `GRADRACE_DATA` names them.

use super::*;
use std::net::TcpListener;

fn places(given: &[&Path], cache: &Path, mirrors: &[String]) -> Places {
    Places {
        given: given.iter().map(|path| path.to_path_buf()).collect(),
        cache: Some(cache.to_path_buf()),
        mirrors: mirrors.to_vec(),
        quiet: true,
    }
}

fn absent_because(opened: Opened) -> String {
    match opened {
        Opened::Absent(why) => why,
        Opened::Samples(_) => panic!("there should be no MNIST here"),
    }
}

/// A mirror on this machine that answers every request for `NAME.gz` with what `serve` makes of NAME.
fn mirror(serve: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a local port");
    let address = listener.local_addr().expect("a local port");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a request");
            let mut request = [0; 4096];
            let read = stream.read(&mut request).expect("a request");
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let name = request.split([' ', '/']).find(|word| word.ends_with(".gz"));
            let body = serve(name.expect("a name").trim_end_matches(".gz"));
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // The client may have hung up: that is for its own assertions.
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body));
        }
    });
    format!("http://{address}/")
}

#[test]
fn without_files_or_mirrors_the_reason_is_given() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let opened =
        open_in(&places(&[], cache.path(), &[]), Part::Training).expect("no error: it is absent");
    assert!(absent_because(opened).contains("GRADRACE_OFFLINE"));
    let port = TcpListener::bind("127.0.0.1:0").expect("a local port");
    let nobody = format!("http://{}/", port.local_addr().expect("a local port"));
    drop(port);
    let opened = open_in(&places(&[], cache.path(), &[nobody]), Part::Training)
        .expect("no error: it is absent");
    assert!(absent_because(opened).contains("could not be fetched (127.0.0.1"));
}

#[test]
fn a_mirror_that_sends_other_bytes_is_not_believed() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let no_gzip = mirror(|_| b"<html>sign in first</html>".to_vec());
    let other = mirror(|_| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"other content").expect("memory");
        encoder.finish().expect("memory")
    });
    let places = places(&[], cache.path(), &[no_gzip, other]);
    let why = absent_because(open_in(&places, Part::Training).expect("no error: it is absent"));
    assert!(
        why.contains("gzip") && why.contains("wrong SHA-256"),
        "{why}"
    );
    assert_eq!(
        std::fs::read_dir(cache.path()).expect("the cache").count(),
        0
    );
}

#[test]
fn given_files_that_are_wrong_or_not_all_there_are_an_error() {
    let (given, cache) = (tempfile::tempdir(), tempfile::tempdir());
    let (given, cache) = (given.expect("a folder"), cache.expect("a folder"));
    let check = |word: &str| {
        let places = places(&[given.path()], cache.path(), &[]);
        let error = open_in(&places, Part::Training)
            .err()
            .expect(word)
            .to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(error.lines().count(), 1);
    };
    let write = |i: usize, bytes: &[u8]| {
        std::fs::write(given.path().join(folder::FILES[i]), bytes).expect("a file");
    };
    write(0, b"\0\0\x08\x03 not MNIST");
    check("no train-labels-idx1-ubyte");
    (1..4).for_each(|i| write(i, b"anything"));
    check("not MNIST's");
    write(0, b"\x1f\x8b\x08\0 cut");
    check("train-images");
}

mod needs_mnist {
    use super::*;

    #[test]
    #[ignore = "needs mnist: GRADRACE_DATA names a folder with its files"]
    fn found_files_give_the_known_samples_and_the_cache_is_repaired() {
        let real = std::env::var_os("GRADRACE_DATA").expect("a folder with the MNIST files");
        let real = PathBuf::from(real);
        let cache = tempfile::tempdir().expect("a temporary folder");
        let load = |places: &Places| match open_in(places, Part::Training).expect("whole files") {
            Opened::Samples(samples) => *samples,
            Opened::Absent(why) => panic!("{why}"),
        };
        let samples = load(&places(&[&real], cache.path(), &[]));
        assert_eq!(
            (samples.n, samples.d, samples.image),
            (60_000, 784, Some((28, 28)))
        );
        let labels = samples.labels.as_deref().expect("labels");
        assert_eq!(labels[..5], [5, 0, 4, 1, 9]);
        assert_eq!(labels.len(), 60_000);
        // The sum of the eigenvalues of the training covariance, pixels / 255.
        let statistics = super::super::super::Statistics::of(&samples, 2);
        let variance: f64 = statistics.variance.iter().sum();
        assert!((variance * samples.unit.powi(2) - 52.7252).abs() < 1e-3);

        // A damaged file in the cache is fetched again, from a mirror that has it.
        let damaged = cache.path().join(folder::FILES[1]);
        std::fs::write(&damaged, b"damaged").expect("a file");
        assert!(
            !absent_because(
                open_in(&places(&[], cache.path(), &[]), Part::Training).expect("absent")
            )
            .is_empty()
        );
        let local = mirror(move |name| {
            let path = folder::locate(&real, name).expect("a file");
            let bytes = std::fs::read(path).expect("a file");
            if bytes.starts_with(idx::GZIP) {
                return bytes;
            }
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).expect("memory");
            encoder.finish().expect("memory")
        });
        let again = load(&places(&[], cache.path(), &[local]));
        assert_eq!(again.sha256, samples.sha256);
        assert!(complete(cache.path()));
    }
}
