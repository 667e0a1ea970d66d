//! Every sentence that people read in their own language, in all languages side by side.
//!
//! `{0}`, `{1}` … are filled in. Values stand before the words in tables, so that no column depends on how wide a
//! character is shown. Help, faults and reasons stay English: people search for them.

use fenghuo_model::Sensor;

use crate::locale::Language;

macro_rules! phrases {
    ($($name:ident: $en:literal, $zh:literal;)+) => {
        /// A sentence, whatever the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Phrase { $(#[doc = $en] $name,)+ }

        impl Phrase {
            /// Every phrase.
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The sentence with its gaps.
            #[must_use]
            pub const fn text(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Self::$name, Language::En) => $en, (Self::$name, Language::Zh) => $zh,)+
                }
            }
        }
    };
}

phrases! {
    City: "{0} buildings, {1} devices, {2} fires planted in {3} h from {4} ({5}); seed {6}",
        "{0} 栋建筑，{1} 台设备，自 {4}（{5}）起 {3} 小时内埋设 {2} 起火情；种子 {6}";
    Progress: "{0}  {1} records, {2}/s", "{0}  {1} 条记录，{2} 条/秒";
    FireConfirmed: "{0}  FIRE  {1}  [{2}: {3}; {4} s after the first alarm]",
        "{0}  确认火警  {1}  [{2}：{3}；距首次报警 {4} 秒]";
    EvidenceMore: "{0} more", "另 {0} 处";
    NoFireConfirmed: "no fire was confirmed", "没有确认任何火情";
    Planted: "fires planted", "埋设火情";
    Confirmed: "confirmed", "已确认";
    Missed: "missed; for {0} of them a person was asked to go and look", "未确认；其中 {0} 起已请人到场核实";
    TimeMedian: "from ignition to confirmation, median", "起火至确认，中位数";
    TimeP90: "from ignition to confirmation, 90 %", "起火至确认，90%";
    TimeMax: "from ignition to confirmation, longest", "起火至确认，最长";
    False: "false confirmations", "误确认";
    Suspected: "incidents, of which {0} were confirmed", "起事件，其中确认 {0} 起";
    Duplicates: "duplicates dropped", "条重复信号已剔除";
    Unreadable: "records that could not be read", "条记录无法解码";
    Records: "raw records", "条原始记录";
    Signals: "signals", "条信号";
    SignalsPerSecond: "signals per second ({0} s)", "条信号/秒（用时 {0} 秒）";
    Written: "written to {0}", "已写入 {0}";
    Simulated: "{0} records, {1} of them unreadable, {2} fires planted", "{0} 条记录，其中 {1} 条无法解码，埋设 {2} 起火情";
    ExplainHead: "{0} (region {1}) at {2}", "{0}（区域 {1}），时刻 {2}";
    ExplainNoIncident: "in no open incident", "不在任何未结事件中";
    ExplainSuspected: "in incident {0}, suspected", "属于事件 {0}，疑似";
    ExplainConfirmed: "in incident {0}, confirmed", "属于事件 {0}，已确认";
    ExplainDecision: "last decision: {0} at {1}, rule {2}", "最近一次判定：{0}，{1}，规则 {2}";
    ExplainEvidence: "evidence held: {0}", "持有证据：{0} 条";
    ExplainIsolated: "isolated, counts for no rule", "已屏蔽，不计入任何规则";
    ExplainForgotten: "too old to be judged with others", "过旧，不再与其他证据合并判断";
    ExplainRestored: "restored at {0}", "已于 {0} 复位";
    ExplainCountsFor: "counts for {0}", "计入规则 {0}";
    ExplainCountsForNone: "counts for no rule at this instant", "此刻不计入任何规则";
    ExplainRules: "rules:", "各规则：";
    ExplainHolds: "holds", "成立";
    ExplainHoldsNot: "does not hold", "不成立";
    ExplainPremises: "not for premises of this kind", "不适用于此类场所";
    ExplainReached: "{0}: {1} of {2}, reached", "{0}：{1}/{2}，已达到";
    ExplainMissed: "{0}: {1} of {2}, missed by {3}", "{0}：{1}/{2}，还差 {3}";
    ExplainOneMoreDevice: "a fire from one of {0} more devices would have sufficed: {1}", "另外 {0} 台设备中任一台报警即可成立：{1}";
    ExplainOneMoreConfirm: "a person's confirm in the building would have sufficed", "现场人员确认即可成立";
    ExplainOneMoreNothing: "no single further signal would have sufficed", "再多一条信号也不足以成立";
    ExplainSignals: "signals of the building up to then: {0}", "截至此刻该建筑的信号：{0} 条";
    FateEvidence: "evidence", "作为证据";
    FateIsolated: "evidence of an isolated device", "已屏蔽设备的证据";
    FateWiped: "evidence, wiped since by a clear or the end of its incident", "曾为证据，后被解除或随事件结束";
    FateForgotten: "evidence, too old to be judged with others", "证据，过旧";
    FateDuplicate: "duplicate, dropped", "重复，已剔除";
    FateTest: "test, does nothing", "测试，不生效";
    FateRejected: "rejected", "被拒绝";
    FateTaken: "taken", "已接收";
    BacktestHead: "{0} signals ({1} rejected); old policy: {2} ({3}); new policy: {4} ({5})",
        "{0} 条信号（拒绝 {1} 条）；旧策略：{2}（{3}）；新策略：{4}（{5}）";
    BacktestProgress: "{0} signals", "{0} 条信号";
    BacktestTable: "by the old policy, by the new one:", "左列为旧策略，右列为新策略：";
    BacktestOpened: "incidents", "起事件";
    BacktestVerify: "times a person was asked to go and look", "次请人到场核实";
    BacktestEscalated: "times village and town were told that nobody answered", "次上报村镇";
    BacktestConfirmed: "incidents confirmed", "起已确认事件";
    BacktestMedian: "from the first evidence to confirmation, median", "首个证据至确认，中位数";
    BacktestP90: "from the first evidence to confirmation, 90 %", "首个证据至确认，90%";
    BacktestMax: "from the first evidence to confirmation, longest", "首个证据至确认，最长";
    BacktestFires: "of {0} fires confirmed (recall)", "起火情已确认，共 {0} 起（召回率）";
    BacktestTwoRooms: "of {0} fires of two or more rooms confirmed (recall)", "起两室及以上火情已确认，共 {0} 起（召回率）";
    BacktestReal: "confirmations that were a fire (precision)", "起确认属实（精确率）";
    BacktestDifferences: "from the old policy to the new one:", "由旧策略到新策略：";
    BacktestGained: "gained: confirmed by the new policy only", "新增：仅新策略确认";
    BacktestLost: "lost: confirmed by the old policy only", "丢失：仅旧策略确认";
    BacktestEarlier: "earlier", "提前";
    BacktestLater: "later", "推迟";
    BacktestJoined: "joined: now part of another incident", "并入：归入另一事件";
    BacktestSplit: "split: now an incident of its own", "拆出：成为独立事件";
    BacktestUnchanged: "unchanged", "不变";
    BacktestMore: "{0} more", "另 {0} 起";
    BacktestGroups: "fires, confirmed by old and new; real of all confirmations by old, by new:",
        "火情数，旧、新策略各确认数；旧、新策略确认中属实/总数：";
    BacktestWasReal: "a fire", "属实";
    BacktestWasFalse: "no fire", "误报";
    SensorSmoke: "smoke", "感烟";
    SensorHeat: "heat", "感温";
    SensorFlame: "flame", "火焰";
    SensorGas: "gas", "可燃气体";
    SensorMulti: "multi", "复合";
    SensorCallPoint: "call point", "手报";
    SensorWaterFlow: "water flow", "水流指示";
    SensorElectrical: "electrical", "电气火灾";
    SensorEbike: "e-bike", "电动车";
    SensorVideo: "video", "视频";
    SensorPanel: "panel", "主机";
    SensorOperator: "a person", "人工";
    SensorUnknown: "a device", "设备";
}

impl Phrase {
    /// What a sensor is called.
    #[must_use]
    pub const fn of_sensor(sensor: Sensor) -> Self {
        match sensor {
            Sensor::Smoke => Self::SensorSmoke,
            Sensor::Heat => Self::SensorHeat,
            Sensor::Flame => Self::SensorFlame,
            Sensor::Gas => Self::SensorGas,
            Sensor::Multi => Self::SensorMulti,
            Sensor::CallPoint => Self::SensorCallPoint,
            Sensor::WaterFlow => Self::SensorWaterFlow,
            Sensor::Electrical => Self::SensorElectrical,
            Sensor::Ebike => Self::SensorEbike,
            Sensor::Video => Self::SensorVideo,
            Sensor::Panel => Self::SensorPanel,
            Sensor::Operator => Self::SensorOperator,
            Sensor::Unknown => Self::SensorUnknown,
        }
    }

    /// The sentence with its gaps filled.
    #[must_use]
    pub fn fill(self, language: Language, values: &[&dyn std::fmt::Display]) -> String {
        let mut text = String::new();
        let mut rest = self.text(language);
        while let Some(open) = rest.find('{') {
            text.push_str(&rest[..open]);
            let close = open + rest[open..].find('}').expect("a test reads the gaps of every phrase");
            let gap: usize = rest[open + 1..close].parse().expect("a test reads the gaps of every phrase");
            text.push_str(&values[gap].to_string());
            rest = &rest[close + 1..];
        }
        text.push_str(rest);
        text
    }
}

/// A count as people read it: `1,234,567`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of a sentence's gaps, sorted.
    fn gaps(text: &str) -> Vec<usize> {
        let mut gaps: Vec<usize> =
            text.split('{').skip(1).map(|part| part.split_once('}').unwrap().0.parse().unwrap()).collect();
        gaps.sort_unstable();
        gaps
    }

    #[test]
    fn every_phrase_says_the_same_in_both_languages() {
        for phrase in Phrase::ALL {
            let (en, zh) = (phrase.text(Language::En), phrase.text(Language::Zh));
            assert_eq!(gaps(en), gaps(zh), "{phrase:?}");
            assert_eq!(gaps(en), (0..gaps(en).len()).collect::<Vec<_>>(), "{phrase:?}");
            assert!(en.is_ascii(), "{phrase:?}");
            assert!(zh.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character)), "{phrase:?}: {zh}");
        }
    }

    #[test]
    fn gaps_are_filled_in_any_order() {
        let filled = Phrase::City.fill(Language::Zh, &[&1, &2, &3, &4, &"t", &"z", &7]);
        assert_eq!(filled, "1 栋建筑，2 台设备，自 t（z）起 4 小时内埋设 3 起火情；种子 7");
    }

    #[test]
    fn counts_are_grouped() {
        for (count, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(count), expected);
        }
    }
}
