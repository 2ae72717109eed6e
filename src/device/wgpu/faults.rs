//! What went wrong on an adapter. wgpu tells it by callbacks, where a panic would end the race: it is kept here and becomes
//! the error of the operation that finds it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// The first fault of a device since it was opened or last asked; a lost device stays lost.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    lost: Option<String>,
    fault: Option<String>,
}

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of the device from now on.
    pub fn listen(&self, device: &::wgpu::Device) {
        let faults = self.clone();
        device.on_uncaptured_error(Arc::new(move |error: ::wgpu::Error| {
            faults.note(&error);
        }));
        let faults = self.clone();
        device.set_device_lost_callback(move |reason, text| {
            let text = one_line(&text);
            faults
                .state()
                .lost
                .get_or_insert(format!("the device was lost ({reason:?}): {text}"));
        });
    }

    fn note(&self, error: &::wgpu::Error) {
        let text = match error {
            ::wgpu::Error::OutOfMemory { .. } => {
                "out of memory: race fewer samples or components, or another device".into()
            }
            ::wgpu::Error::Validation { description, .. }
            | ::wgpu::Error::Internal { description, .. } => one_line(description),
        };
        self.state().fault.get_or_insert(text);
    }

    /// # Errors
    /// `Failed` with what went wrong since the last time.
    pub fn check(&self) -> Result<()> {
        let mut state = self.state();
        let fault = state.lost.clone().or_else(|| state.fault.take());
        match fault {
            None => Ok(()),
            Some(text) => Err(Error::failed(format!("wgpu: {text}"))),
        }
    }
}

/// A message of several lines as one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
