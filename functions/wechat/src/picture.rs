//! A picture of a code.

use std::fmt::Write as _;

use axum::body::Bytes;
use fast_qr::{ECL, QRBuilder, qr::QRCodeError};

/// A picture, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Bytes,
}

/// The empty border that scanners need, in modules.
const QUIET_ZONE: usize = 4;

impl Picture {
    /// A plain QR code of the text, `width` pixels wide.
    pub(crate) fn qr_code(text: &str, width: u32) -> Result<Self, QRCodeError> {
        let code = QRBuilder::new(text).ecl(ECL::M).build()?;
        let side = code.size + 2 * QUIET_ZONE;
        let mut modules = String::new();
        for row in 0..code.size {
            let mut column = 0;
            while column < code.size {
                // Neighbours are drawn as one: fewer bytes, and no hairlines between them.
                let run = code[row][column..].iter().take_while(|module| module.value()).count();
                if run > 0 {
                    let (x, y) = (column + QUIET_ZONE, row + QUIET_ZONE);
                    let _ = write!(modules, "M{x} {y}h{run}v1h-{run}z");
                }
                column += run.max(1);
            }
        }
        let svg = format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{width}" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{modules}"/></svg>"##
        );
        Ok(Self { media_type: "image/svg+xml", bytes: svg.into() })
    }

    /// A picture that somebody else made, if its bytes are one.
    pub(crate) fn recognise(bytes: Bytes) -> Option<Self> {
        let media_type = if bytes.starts_with(b"\xff\xd8\xff") {
            "image/jpeg"
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            "image/png"
        } else {
            return None;
        };
        Some(Self { media_type, bytes })
    }
}
