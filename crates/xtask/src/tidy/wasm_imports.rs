//! The imports of a wasm module, read from its import section (WebAssembly core specification, binary format 5.5).

const MAGIC: &[u8] = b"\0asm\x01\0\0\0";
const IMPORT_SECTION: u8 = 2;

/// Imports from `env`: what a C-like runtime would have to provide, and a page cannot.
pub(super) fn complaints(module: &[u8]) -> Vec<String> {
    match imports(module) {
        None => vec!["the built .wasm file is not a readable module".into()],
        Some(imports) => {
            let from_env = imports.into_iter().filter(|(module, _)| module == "env");
            from_env.map(|(_, name)| format!("the built module imports `{name}` from `env`")).collect()
        }
    }
}

/// Module and name of every import; nothing if the bytes are no module.
fn imports(module: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = module.strip_prefix(MAGIC)?;
    while let Some((&id, after)) = rest.split_first() {
        rest = after;
        let body = bytes(&mut rest)?;
        if id == IMPORT_SECTION {
            return import_section(body);
        }
    }
    Some(Vec::new())
}

fn import_section(mut body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut imports = Vec::new();
    for _ in 0..number(&mut body)? {
        let module = String::from_utf8(bytes(&mut body)?.to_vec()).ok()?;
        let name = String::from_utf8(bytes(&mut body)?.to_vec()).ok()?;
        skip_description(&mut body)?;
        imports.push((module, name));
    }
    Some(imports)
}

/// Passes over what is imported: a function's type, a table, a memory or a global.
fn skip_description(body: &mut &[u8]) -> Option<()> {
    match byte(body)? {
        0 => number(body).map(drop),
        1 => byte(body).and_then(|_| skip_limits(body)),
        2 => skip_limits(body),
        3 => byte(body).and_then(|_| byte(body)).map(drop),
        _ => None,
    }
}

fn skip_limits(body: &mut &[u8]) -> Option<()> {
    let has_maximum = byte(body)? & 1 == 1;
    number(body)?;
    if has_maximum { number(body).map(drop) } else { Some(()) }
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    Some(first)
}

/// An unsigned LEB128 number of at most 32 bits.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0_usize;
    for shift in (0..35).step_by(7) {
        let next = byte(rest)?;
        value |= usize::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Bytes with their length before them.
fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = number(rest)?;
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with one type and two imports: a memory from `wbg`, a function `f` from the module given.
    fn module(from: &str) -> Vec<u8> {
        let mut section = vec![2, 3];
        section.extend(b"wbg\x01m\x02\x01\x01\x80\x01");
        section.push(from.len() as u8);
        section.extend(from.as_bytes());
        section.extend(b"\x01f\x00\x00");
        let mut module = MAGIC.to_vec();
        module.extend([1, 4, 1, 0x60, 0, 0, IMPORT_SECTION, section.len() as u8]);
        module.extend(section);
        module
    }

    #[test]
    fn an_import_from_env_is_found() {
        assert!(complaints(&module("wbg")).is_empty());
        assert_eq!(complaints(&module("env")), ["the built module imports `f` from `env`"]);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        assert_eq!(complaints(b"not wasm").len(), 1);
        let whole = module("env");
        assert_eq!(complaints(&whole[..whole.len() - 1]).len(), 1);
    }
}
