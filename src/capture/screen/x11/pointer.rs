//! The pointer on a grabbed picture: asked for together with the grab, drawn into its memory. Runs on the source's thread.

use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::xfixes;
use x11rb::protocol::xproto::{ConnectionExt as _, TranslateCoordinatesReply};

use super::super::cursor::Pointer;
use super::X11Screen;
use super::connection::Connection;
use super::target::View;

/// The pointer's picture, and for a window where that lies.
pub(super) struct CursorCookies<'c> {
    image: x11rb::cookie::Cookie<'c, Connection, xfixes::GetCursorImageReply>,
    place: Option<x11rb::cookie::Cookie<'c, Connection, TranslateCoordinatesReply>>,
}

/// Where the pointer was, and the view, both on the screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointed {
    pub(super) at: (i16, i16),
    pub(super) origin: (i32, i32),
}

impl X11Screen {
    /// Sent with the grab, so that all take one round trip.
    pub(super) fn ask_for_cursor(&self) -> Result<Option<CursorCookies<'_>>, ConnectionError> {
        if !self.draws_cursor() {
            return Ok(None);
        }
        let place = match self.target.window() {
            Some(window) => {
                let root = self.target.root();
                Some(self.connection.translate_coordinates(window, root, 0, 0)?)
            }
            None => None,
        };
        Ok(Some(CursorCookies {
            image: xfixes::get_cursor_image(&self.connection)?,
            place,
        }))
    }

    pub(super) fn draw_cursor(
        &self,
        asked: Option<CursorCookies<'_>>,
        view: View,
        image: &mut [u8],
    ) -> Result<Option<Pointed>, ReplyError> {
        let Some(CursorCookies { image: p, place }) = asked else {
            return Ok(None);
        };
        let origin = match place {
            Some(place) => {
                let p = place.reply()?;
                (i32::from(p.dst_x), i32::from(p.dst_y))
            }
            None => (i32::from(view.left), i32::from(view.top)),
        };
        let p = p.reply()?;
        let pointer = Pointer {
            left: i32::from(p.x) - i32::from(p.xhot) - origin.0,
            top: i32::from(p.y) - i32::from(p.yhot) - origin.1,
            width: p.width.into(),
            argb: &p.cursor_image,
        };
        pointer.draw(image, self.stride(), self.size);
        Ok(Some(Pointed {
            at: (p.x, p.y),
            origin,
        }))
    }
}
