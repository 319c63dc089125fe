//! What at least two of Bookend's services need.

pub mod db;
pub mod windows;
