#![no_main]

vigie_fuzz::fuzz!(cap_xml);
