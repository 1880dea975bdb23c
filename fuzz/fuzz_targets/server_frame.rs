#![no_main]

vigie_fuzz::fuzz!(server_frame);
