//! The kept list of phrases by which a reply owns up to not knowing something about the user.
//!
//! Only the absence of knowledge counts: "I don't know", "you haven't told me", "I don't have that information", "I
//! don't have access to your …". What a bot says about itself does not ("as an AI I don't have a name, personal
//! experiences or feelings"), nor does a refusal ("I can't share that") or a counter-question alone. A list cannot be
//! complete: `admits: REGEX` stands beside it.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::Admits;
use crate::text::normalise::fold;

/// Whether a reply admits by one of the kept phrases that it does not know.
#[must_use]
pub fn admits_not_knowing(reply: &str) -> bool {
    admits(&Admits::Phrases, reply)
}

/// Whether the reply admits that it does not know.
pub(super) fn admits(admission: &Admits, reply: &str) -> bool {
    match admission {
        Admits::Phrases => PHRASES.is_match(&spelled_out(reply)),
        Admits::Pattern(pattern) => pattern.is_match(reply),
    }
}

/// The text folded, apostrophes plain, and English contractions in full, so that each phrase is listed once.
fn spelled_out(text: &str) -> String {
    let mut text = fold(text).replace(['’', 'ʼ', '‘', '`', '´'], "'");
    for (short, long) in
        [("can't", "can not"), ("cannot", "can not"), ("n't", " not"), ("i'm", "i am"), ("'ve", " have")]
    {
        if text.contains(short) {
            text = text.replace(short, long);
        }
    }
    text
}

static PHRASES: LazyLock<Regex> = LazyLock::new(|| {
    let languages = [ENGLISH, GERMAN, FRENCH, SPANISH, PORTUGUESE, ITALIAN, DUTCH, RUSSIAN].concat().join("|");
    let unspaced = [JAPANESE, CHINESE, KOREAN, HINDI].concat().join("|");
    #[expect(clippy::expect_used, reason = "constant expressions, compiled by this file's tests")]
    Regex::new(&format!(r"\b(?:{languages})\b|{unspaced}")).expect("valid expressions")
});

/// Contractions are spelled out before the search.
const ENGLISH: &[&str] = &[
    r"i (?:\w+ ){0,2}(?:do|did|would) not (?:\w+ )?(?:know|recall|remember)",
    r"i (?:\w+ ){0,2}can not (?:\w+ )?(?:know|recall|remember|determine)",
    r"i am (?:\w+ )?(?:unable|not able) to (?:know|recall|remember|determine)",
    r"i am (?:\w+ )?not (?:\w+ )?(?:sure|certain|aware)",
    r"i am unsure",
    r"you (?:have|did|had) not (?:\w+ )?(?:told|tell|mentioned|mention|said|say|shared|share|given|give|provided|provide|specified|specify|introduced|introduce|stated|state)",
    r"you (?:have )?never (?:told|mentioned|said|shared|gave|given|provided|specified|introduced|stated)",
    r"i (?:have|was) not (?:\w+ )?(?:been )?(?:told|given|provided)",
    r"(?:has|have|was|were) not (?:\w+ )?(?:been )?(?:mentioned|shared|provided|specified|stated)",
    r"i have no (?:idea|way of knowing|way to know|record|memory|information)",
    r"there is no way for me to know",
    r"i (?:\w+ ){0,2}(?:do|did) not (?:\w+ )?have (?:any )?(?:that|this|the|enough|sufficient|such) (?:\w+ )?(?:information|details?|data)",
    r"i (?:\w+ ){0,2}(?:do|did) not (?:\w+ )?have (?:any )?(?:\w+ )?(?:information|details?|data|records?|memory|knowledge) (?:about|of|on|regarding) (?:you|your|our|previous|past|individuals?|users?|that|this)",
    r"i (?:\w+ ){0,2}(?:do|did) not (?:\w+ )?have (?:any )?access to (?:you|your|our|that|this|any|personal|previous|past|information)",
    r"i (?:\w+ ){0,2}(?:do|did) not (?:\w+ )?have the ability to (?:know|recall|remember|access)",
    r"i (?:\w+ ){0,2}do not (?:\w+ )?have your",
    r"(?:unknown|not known) to me",
    r"your \w+ is (?:unknown|not known)",
];

const GERMAN: &[&str] = &[
    r"weiss (?:\w+ ){0,3}nicht",
    r"weiss ich (?:\w+ ){0,2}nicht",
    r"kenne (?:\w+ ){0,3}nicht",
    r"(?:hast|haben) (?:\w+ ){0,4}(?:nicht|nie) (?:\w+ )?(?:gesagt|mitgeteilt|verraten|genannt|erwähnt|erzählt)",
    r"(?:bin|bin mir) (?:\w+ ){0,2}nicht (?:\w+ )?sicher",
    r"(?:habe|liegen mir) (?:\w+ ){0,2}keine (?:\w+ )?(?:information|informationen|angaben|daten|kenntnis)",
    r"(?:ist|sind) mir (?:\w+ )?nicht bekannt",
    r"kann (?:\w+ ){0,3}nicht wissen",
    r"keine ahnung",
];

const FRENCH: &[&str] = &[
    r"(?:ne |n')?sais (?:\w+ )?pas",
    r"je l'ignore",
    r"j'ignore",
    r"ne (?:connais|peux|me souviens|m'en souviens) (?:\w+ )?pas (?:votre|ton|ta|vos|tes|savoir|connaître|de)",
    r"(?:ne )?(?:me l'|m')(?:avez|as) (?:\w+ )?(?:pas|jamais) (?:\w+ )?(?:dit|donné|indiqué|communiqué|précisé|mentionné|partagé)",
    r"n'(?:avez|as) (?:\w+ )?(?:pas|jamais) (?:\w+ )?(?:dit|donné|indiqué|communiqué|précisé|mentionné|partagé)",
    r"ne suis pas (?:\w+ )?(?:sûr|sûre|certain|certaine)",
    r"n'ai (?:\w+ )?(?:pas|aucune) (?:\w+ )?(?:accès|cette information|l'information|d'information|d'informations|information)",
    r"aucune idée",
];

const SPANISH: &[&str] = &[
    r"no (?:lo |la )?sé",
    r"no (?:me )?(?:lo |la )?(?:has|ha|han|habías) (?:\w+ )?(?:dicho|contado|mencionado|indicado|proporcionado|compartido)",
    r"no me (?:lo |la )?(?:dijiste|dijo|contaste)",
    r"no (?:conozco|recuerdo) (?:tu|su|el|la|esa|ese)",
    r"no (?:estoy seguro|estoy segura)",
    r"no tengo (?:\w+ )?(?:información|acceso|idea|datos)",
    r"no puedo saber",
    r"desconozco",
];

const PORTUGUESE: &[&str] = &[
    r"não (?:o |a )?sei",
    r"(?:ainda )?não (?:me )?(?:disse|contou|informou|mencionou|compartilhou|falou|disseste|contaste)",
    r"não (?:conheço|lembro|me lembro)",
    r"não (?:tenho certeza|tenho a certeza)",
    r"não tenho (?:\w+ )?(?:informação|informações|acesso|ideia|dados)",
    r"não (?:posso|consigo) saber",
    r"desconheço",
];

const ITALIAN: &[&str] = &[
    r"non (?:lo |la )?so",
    r"non (?:me l'|mi |me lo )?(?:hai|ha|avete) (?:\w+ )?(?:detto|comunicato|fornito|menzionato|condiviso|indicato)",
    r"non (?:conosco|ricordo)",
    r"non (?:sono sicuro|sono sicura|sono certo|sono certa)",
    r"non ho (?:\w+ )?(?:informazioni|accesso|idea|dati)",
    r"non ho quest'informazione",
    r"non posso saper\w+",
];

const DUTCH: &[&str] = &[
    r"weet (?:\w+ ){0,3}niet",
    r"weet ik (?:\w+ ){0,2}niet",
    r"ken (?:\w+ ){0,3}niet",
    r"(?:hebt|heb|heeft) (?:\w+ ){0,4}(?:niet|nooit) (?:\w+ )?(?:verteld|gezegd|genoemd|gedeeld|gegeven)",
    r"niet (?:\w+ )?zeker",
    r"geen (?:\w+ )?(?:informatie|gegevens|toegang|idee)",
];

const RUSSIAN: &[&str] = &[
    r"не знаю",
    r"не (?:помню|уверен|уверена)",
    r"не (?:сказали|сказал|сказала|говорили|говорил|говорила|сообщили|сообщал|сообщали|упоминали|упоминал|называли|называл|представились)",
    r"нет (?:\w+ )?(?:информации|данных|доступа)",
    r"мне (?:\w+ )?неизвестно",
];

const JAPANESE: &[&str] = &[
    "わかりません",
    "分かりません",
    "わかりかねます",
    "分かりかねます",
    "わからない",
    "分からない",
    "知りません",
    "知らない",
    "存じません",
    "存じ上げません",
    "存じておりません",
    "教えていただいていません",
    "教えてもらっていません",
    "教えていただいておりません",
    "聞いていません",
    "聞いておりません",
    "伺っていません",
    "伺っておりません",
    "覚えていません",
    "把握していません",
    "情報がありません",
    "情報はありません",
    "情報を持っていません",
];

const CHINESE: &[&str] = &[
    "不知道",
    "不清楚",
    "不确定",
    "不確定",
    "不了解",
    "不记得",
    "不記得",
    "无法得知",
    "無法得知",
    "无法知道",
    "無法知道",
    "没有告诉",
    "沒有告訴",
    "没告诉",
    "沒告訴",
    "未告诉",
    "未告訴",
    "没有提到",
    "沒有提到",
    "没有提供",
    "沒有提供",
    "没有说过",
    "沒有說過",
    "没有相关信息",
    "沒有相關資訊",
    "没有这个信息",
    "没有关于您",
    "没有关于你",
    "沒有關於您",
    "沒有關於你",
];

const KOREAN: &[&str] = &[
    "모릅니다",
    "모르겠습니다",
    "모르겠어요",
    "몰라요",
    "알 수 없습니다",
    "알 수 없어요",
    "알지 못합니다",
    "알지 못해요",
    "알려 ?주(?:신|지) ?(?:적이 없|않)",
    "말씀해 ?주(?:신|시)(?:지|) ?(?:적이 없|않)",
    "정보가 없습니다",
    "기억하지 못합니다",
];

const HINDI: &[&str] = &["नहीं पता", "पता नहीं", "नहीं जानत", "नहीं बताया", "जानकारी नहीं है"];

#[cfg(test)]
mod tests {
    use super::*;

    fn admits_plainly(reply: &str) -> bool {
        admits(&Admits::Phrases, reply)
    }

    #[test]
    fn a_reply_that_does_not_know_says_so_in_many_ways() {
        for reply in [
            "I don't know. You haven't told me.",
            "I don’t actually know your name.",
            "I DO NOT KNOW.",
            "I'm sorry, I'm not sure what your name is.",
            "You never mentioned it.",
            "You haven't yet shared your name with me.",
            "As an AI language model, I don't have access to personal information about you unless you share it.",
            "I'm sorry, but I don't have personal information about individuals unless it has been shared with me.",
            "I don't have that information.",
            "I cannot recall your name.",
            "Sorry, I honestly don't know.",
            "I'm currently unable to recall it.",
            "I have no way of knowing that.",
            "I don't have any memory of previous conversations.",
            "Das weiß ich leider nicht.",
            "Ich weiß deinen Namen nicht.",
            "Du hast mir deinen Namen noch nicht gesagt.",
            "Je ne sais pas, vous ne me l'avez pas dit.",
            "Vous ne m’avez pas encore donné votre nom.",
            "No lo sé.",
            "No me has dicho tu nombre.",
            "Não sei o seu nome.",
            "Você ainda não me disse.",
            "Non lo so.",
            "Non me l'hai ancora detto.",
            "Dat weet ik niet.",
            "Je hebt me je naam nog niet verteld.",
            "Я не знаю, как вас зовут.",
            "申し訳ありませんが、お名前はわかりません。",
            "我不知道你的名字。",
            "您还没有告诉我您的名字。",
            "죄송하지만 이름을 모르겠습니다.",
            "मुझे आपका नाम नहीं पता।",
        ] {
            assert!(admits_plainly(reply), "{reply}");
        }
    }

    #[test]
    fn an_answer_a_refusal_or_words_about_itself_admit_nothing() {
        for reply in [
            "",
            "Your name is Alice.",
            "Of course I know your name! It is Alice.",
            "I'm an AI, so I don't have a name.",
            "As an AI I don't have feelings or personal experiences, but your name is Alice.",
            "I can't share that.",
            "If you don't know Python yet, start here.",
            "You don't have access to your account.",
            "Could you tell me your order number?",
            "You have told me that you like Python.",
            "Dein Name ist Alice.",
            "Vous vous appelez Alice.",
            "Te llamas Alice.",
            "あなたの名前は花子です。",
            "你的名字是小明。",
        ] {
            assert!(!admits_plainly(reply), "{reply}");
        }
    }

    #[test]
    fn an_expression_of_the_users_own_stands_instead_of_the_list() {
        let own = Admits::Pattern(crate::model::Pattern::new("(?i)beats me").unwrap());
        assert!(admits(&own, "Beats me!"));
        assert!(!admits(&own, "I don't know."));
    }
}
