#![no_main]

vigie_fuzz::fuzz!(client_frame);
