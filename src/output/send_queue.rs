//! send_queue
