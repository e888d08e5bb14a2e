//! When an address stops being taken: the large Chinese services sign it with a date. Pure.

use super::url::RtmpUrl;

/// Unix seconds from which on the server refuses this address, as far as the address tells: Aliyun's
/// `auth_key=SECONDS-random-uid-md5`, Tencent's `txTime=HEX`.
pub fn expires_at(url: &RtmpUrl) -> Option<u64> {
    let texts = [url.key.expose(), url.app.as_str()];
    let parameters = texts
        .iter()
        .filter_map(|text| text.split_once('?'))
        .flat_map(|(_, query)| query.split('&'))
        .filter_map(|pair| pair.split_once('='));
    parameters
        .filter_map(|(name, value)| match name {
            "auth_key" => value.split('-').next()?.parse().ok(),
            "txTime" => u64::from_str_radix(value, 16).ok(),
            _ => None,
        })
        .filter(|&at| is_plausible(at))
        .min()
}

/// Between 2001 and 2286: anything else in that place is no date.
const fn is_plausible(seconds: u64) -> bool {
    seconds > 1_000_000_000 && seconds < 10_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_the_large_services_are_found() {
        let at = |address: &str| expires_at(&RtmpUrl::parse(address, None).unwrap());
        assert_eq!(
            at("rtmp://push.x.com/live/s?auth_key=1577808000-0-0-e0f2a5b1c3"),
            Some(1_577_808_000)
        );
        assert_eq!(
            at("rtmp://1.livepush.x.com/live/s?txSecret=ab12&txTime=5C2A3CFF"),
            Some(1_546_271_999)
        );
        assert_eq!(
            at("rtmp://x.com/live?txTime=5C2A3CFF/s"),
            Some(1_546_271_999)
        );
        assert_eq!(at("rtmp://x.com/live/s?auth_key=secret&txTime=zz"), None);
        assert_eq!(at("rtmp://x.com/live/s?auth_key=12-0-0-a"), None);
        assert_eq!(at("rtmp://x.com/live/s"), None);
    }
}
