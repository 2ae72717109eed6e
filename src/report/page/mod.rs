//! The page: one HTML file that needs nothing else, light or dark as the reader has it.
//!
//! A page is its `SECTIONS` in order, each a function of the [`Report`]; a section with nothing to say is empty. All text from
//! records goes through [`escape`](super::markup::escape); beyond that the page's own policy lets a browser load nothing and run no script but
//! the one that is written here, by its hash. That script sorts tables and hides lines; the page is whole without it.

mod across;
mod chapter;
mod closing;
mod parts;
mod summary;

use super::document::Report;
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

/// What a page consists of.
const SECTIONS: [fn(&Report) -> String; 12] = [
    summary::heading,
    summary::answers,
    summary::contents,
    chapter::sections,
    across::profiles,
    across::growths,
    across::roofs,
    across::benchmarks,
    across::lecun,
    across::cost,
    closing::reading,
    closing::machines,
];

const SCRIPT: &str = include_str!("page.js");

/// The page as text.
pub fn render(report: &Report) -> String {
    let body: String = SECTIONS.iter().map(|section| section(report)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{}'\">\n\
         <title>gradrace report</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}<script>{SCRIPT}</script>\n\
         </body>\n</html>\n",
        BASE64_STANDARD.encode(Sha256::digest(SCRIPT.as_bytes())),
        include_str!("page.css")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, fixture};
    use crate::report::cost::Prices;
    use crate::report::markup::escape;
    use crate::report::name;

    fn page(records: &[Record]) -> String {
        let results = fixture::results(records.to_vec());
        render(&Report::new(&results, &Prices::default()).unwrap())
    }

    #[test]
    fn the_page_holds_every_case_the_machine_and_the_reasons() {
        let records = fixture::race();
        let page = page(&records);
        for record in &records {
            assert!(page.contains(&format!("class=name>{}<", name::competitor(record))));
            let command = crate::report::command::command(record);
            assert!(page.contains(&escape(&command)), "{command}");
        }
        assert!(page.contains("OpenBLAS 0.3.29") && page.contains("no CUDA driver"));
        assert!(page.contains("25 of 30") && page.contains("(software)"));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page(&fixture::race()).replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in [
            "http:", "https:", "<script ", "<link", "src=", "@import", "url(", "fetch", "eval",
        ] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn nothing_from_a_record_becomes_markup() {
        let attack = "<b onclick=\"x\">&'";
        let mut records = fixture::race();
        for record in &mut records {
            record.reason = Some(attack.into());
            record.method = attack.into();
            record.operator = Some(attack.into());
            record.program = attack.into();
            record.data.as_mut().unwrap().dtype = attack.into();
            record.machine = attack.into();
            fixture::rename(record, format!("pca/{attack}/{attack}/k10/cpu/f32"));
        }
        records.last_mut().unwrap().case += "2";
        let page = page(&records);
        assert!(!page.contains("<b onclick") && page.matches("<script").count() == 1);
        assert!(page.contains("&lt;b onclick=&quot;x&quot;&gt;&amp;"));
    }

    #[test]
    fn the_policy_has_the_hash_of_the_script_and_allows_nothing_else() {
        let page = page(&fixture::race());
        let policy = format!(
            "script-src 'sha256-{}'",
            BASE64_STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()))
        );
        assert!(page.contains("default-src 'none'") && page.contains(&policy));
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
    }

    #[test]
    fn a_machine_that_left_no_facts_is_said_to_have_none() {
        let mut records = fixture::race();
        records
            .iter_mut()
            .for_each(|record| record.machine = "other".into());
        assert!(page(&records).contains("machine.json was not beside"));
    }

    #[test]
    fn the_devices_own_time_is_a_column_where_there_is_one() {
        let mut records = fixture::race();
        assert!(!page(&records).contains("<th>device</th>"));
        records[0].time.as_mut().unwrap().device_s = Some(vec![0.0123]);
        let page = page(&records);
        assert!(page.contains("<th>device</th>") && page.contains("<td>12.3 ms"));
    }

    #[test]
    fn no_records_still_make_a_page() {
        assert!(page(&[]).contains("0 competitors"));
    }
}
